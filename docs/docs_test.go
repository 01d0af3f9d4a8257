// Package docs_test keeps the documentation true where a program can: links, file names, functions, commands of the command
// line, codes and event types that it names must exist, and its tables must be complete.
package docs_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waybill/api/problem"
	"waybill/api/wire"
)

const root = ".."

// pages returns the text of every page, by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(name)] = string(b)
		}
	}
	if len(all) < 10 {
		t.Fatalf("found %d pages only", len(all))
	}
	return all
}

func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// split parts text into prose and what stands in code blocks.
func split(text string) (prose, blocks string) {
	var p, b strings.Builder
	code := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			code = !code
		case code:
			b.WriteString(line)
		default:
			p.WriteString(line)
		}
	}
	return p.String(), b.String()
}

func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	for name, text := range pages(t) {
		prose, _ := split(text)
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if !exists(filepath.Join(root, filepath.Dir(name), m[1])) {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
		}
	}
}

// TestPaths looks at what stands in backquotes and begins like a path of this project.
func TestPaths(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			folders = append(folders, regexp.QuoteMeta(e.Name()))
		}
	}
	path := regexp.MustCompile("`((?:" + strings.Join(folders, "|") + `)/[A-Za-z0-9_./-]*)` + "`")
	planned := map[string]bool{"integrations/": true, "console/": true, "bin/waybill": true} // later, or built
	for name, text := range pages(t) {
		prose, _ := split(text)
		for _, m := range path.FindAllStringSubmatch(prose, -1) {
			if !planned[m[1]] && !exists(filepath.Join(root, m[1])) {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}

// TestWalk holds the way of one order to the code: every function is in its file.
func TestWalk(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([a-z/]+\\.go)` \\| `([A-Za-z]+)` \\|")
	rows := row.FindAllStringSubmatch(page(t, "docs/architecture.md"), -1)
	if len(rows) < 40 {
		t.Fatalf("the walk has %d steps", len(rows))
	}
	for _, m := range rows {
		source := page(t, m[1])
		if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + m[2] + `[(\[]`).MatchString(source) {
			t.Errorf("%s has no function %s", m[1], m[2])
		}
	}
}

// TestNamesInCode looks for tests and benchmarks that the pages name.
func TestNamesInCode(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		sources.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z]*)`")
	for name, text := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(sources.String(), "func "+m[1]+"(") {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}

// column returns what stands in backquotes in the first column of the tables of a text, if it matches.
func column(text string, matches *regexp.Regexp) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		if matches.MatchString(m[1]) {
			found[m[1]] = true
		}
	}
	return found
}

func same(t *testing.T, what string, documented, actual map[string]bool) {
	t.Helper()
	for name := range maps.Keys(actual) {
		if !documented[name] {
			t.Errorf("%s: %s is not documented", what, name)
		}
	}
	for name := range maps.Keys(documented) {
		if !actual[name] {
			t.Errorf("%s: %s is documented and does not exist", what, name)
		}
	}
}

// constants returns the values of the string constants of all aggregates whose names begin with prefix.
func constants(t *testing.T, prefix string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	constant := regexp.MustCompile(`(?m)^\t` + prefix + `[A-Z][A-Za-z]* += "([a-z]+\.[a-z_]+)"$`)
	codecs, err := filepath.Glob(filepath.Join(root, "domain", "*", "codec.go")) // each aggregate has one
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range codecs {
		paths, err := filepath.Glob(filepath.Join(filepath.Dir(codec), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range constant.FindAllStringSubmatch(string(b), -1) {
				found[m[1]] = true
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("found no constant %s…", prefix)
	}
	return found
}

// TestEventsAndCommands compares the tables of docs/domain.md with the domain, and the schema numbers with the golden files.
func TestEventsAndCommands(t *testing.T) {
	text := page(t, "docs/domain.md")
	events, commands := constants(t, "Type"), constants(t, "Command")
	both := maps.Clone(events)
	maps.Copy(both, commands)
	same(t, "events and commands of docs/domain.md", column(text, regexp.MustCompile(`^[a-z]+\.[a-z_]+$`)), both)

	golden, err := filepath.Glob(filepath.Join(root, "domain/*/testdata/golden/*.msgpack"))
	if err != nil {
		t.Fatal(err)
	}
	newest := map[string]string{}
	for _, path := range golden { // sorted, so the newest comes last
		parts := strings.Split(filepath.Base(path), ".")
		newest[parts[0]+"."+parts[1]] = strings.TrimPrefix(parts[2], "v")
	}
	same(t, "golden files", keys(newest), events)
	for typ, schema := range newest {
		if !strings.Contains(text, "| `"+typ+"` | "+schema+" |") {
			t.Errorf("docs/domain.md does not give %s the schema %s", typ, schema)
		}
	}
}

func keys(m map[string]string) map[string]bool {
	found := map[string]bool{}
	for k := range m {
		found[k] = true
	}
	return found
}

// TestCommandTable compares the table of docs/api.md with the one that all edges are made from.
func TestCommandTable(t *testing.T) {
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	text := page(t, "docs/api.md")
	for i := range table.Specs {
		s := &table.Specs[i]
		if row := "| `" + s.Type + "` | `POST " + s.Path + "` | `" + string(s.Scope) + "` |"; !strings.Contains(text, row) {
			t.Errorf("docs/api.md lacks the row %s", row)
		}
	}
	actual := map[string]bool{}
	for _, typ := range table.Types() {
		actual[typ] = true
	}
	same(t, "commands of docs/api.md", column(text, regexp.MustCompile(`^(order|stock)\.`)), actual)
}

// TestCodes holds every code that is documented to the vocabulary, and the vocabulary to the pages.
func TestCodes(t *testing.T) {
	actual := map[string]bool{}
	for _, code := range problem.Codes() {
		actual[code] = true
	}
	text := page(t, "docs/api.md") + page(t, "docs/domain.md")
	for code := range actual {
		if !strings.Contains(text, "`"+code+"`") {
			t.Errorf("the code %s is in no table", code)
		}
	}
	_, refusals, _ := strings.Cut(page(t, "docs/domain.md"), "\n## Refusals\n")
	refusals, _, _ = strings.Cut(refusals, "\n## ")
	for code := range column(refusals, regexp.MustCompile(`.`)) {
		if !actual[code] {
			t.Errorf("docs/domain.md has the code %s, which does not exist", code)
		}
	}
	_, problems, _ := strings.Cut(page(t, "docs/api.md"), "| status | codes |")
	problems, _, _ = strings.Cut(problems, "\n\n")
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(problems, -1) {
		if !actual[m[1]] {
			t.Errorf("docs/api.md has the code %s, which does not exist", m[1])
		}
	}
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile(`(?:"code":"|/problems/)([a-z][a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if !actual[m[1]] {
				t.Errorf("%s names the code %s, which does not exist", name, m[1])
			}
		}
	}
}

// TestCommandLine asks the program for every command and flag that a code block uses.
func TestCommandLine(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "waybill")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../cmd/waybill").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	help := map[string]string{}
	ask := func(command string) string {
		if text, ok := help[command]; ok {
			return text
		}
		out, err := exec.CommandContext(t.Context(), binary, append(strings.Fields(command), "--help")...).CombinedOutput()
		if err != nil {
			t.Errorf("waybill %s --help: %v\n%s", command, err, out)
		}
		help[command] = string(out)
		return string(out)
	}
	call := regexp.MustCompile(`(?:^|[ /;|])waybill ([a-z]+(?: [a-z-]+)?)`)
	flag := regexp.MustCompile(`--[a-z][a-z-]*[a-z]`)
	for name, text := range pages(t) {
		_, blocks := split(text)
		for line := range strings.Lines(blocks) {
			line, _, _ = strings.Cut(line, " #")
			m := call.FindStringSubmatchIndex(line)
			if m == nil {
				continue
			}
			words := strings.Fields(line[m[2]:m[3]])
			if len(words) > 1 && strings.HasPrefix(words[1], "-") {
				words = words[:1]
			}
			command := words[0]
			usage := ask(command)
			if len(words) > 1 && strings.Contains(usage, "waybill "+command+" [command]") {
				command += " " + words[1]
				usage = ask(command)
			}
			if !strings.Contains(usage, "waybill "+command) {
				t.Errorf("%s uses `waybill %s`, which does not exist:\n%s", name, command, usage)
				continue
			}
			for _, f := range flag.FindAllString(line[m[2]:], -1) {
				if !strings.Contains(usage, f+" ") {
					t.Errorf("%s uses waybill %s with %s, which it does not take", name, command, f)
				}
			}
		}
	}
	for _, want := range []string{"orders timeline", "events list", "import", "verify", "serve", "keys create"} {
		if !slices.Contains(slices.Collect(maps.Keys(help)), want) {
			t.Errorf("no page shows waybill %s", want)
		}
	}
}
