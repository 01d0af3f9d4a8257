package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"waybill/integrations/sandbox"
)

// TestPage runs every command of the page about the gateway, and compares what it prints with what stands there.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sandbox-gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, sandbox.Config{Name: "demo"}, true)
	run := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for example := range strings.SplitSeq(strings.TrimPrefix(block[1], "$ "), "\n$ ") {
			command, want, _ := strings.Cut(example, "\n")
			command = strings.ReplaceAll(command, "localhost:8790", strings.TrimPrefix(s.url, "http://"))
			out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			run++
			parts := strings.Split(strings.TrimSpace(want), "…")
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			if !regexp.MustCompile(`(?s)^`+strings.Join(parts, ".*")+`.*$`).Match(out) || strings.TrimSpace(want) == "" {
				t.Errorf("%s\nprints\n%s\nand the page says\n%s", command, out, want)
			}
		}
	}
	if all := strings.Count(string(page), "curl "); run != all || run < 20 {
		t.Errorf("%d of %d commands were run", run, all)
	}
}

// TestScriptTables holds the tables of the page and of the package comment to the scripts.
func TestScriptTables(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{}
	for _, s := range sandbox.Scripts() {
		kinds := make([]string, len(s.On))
		for i, k := range s.On {
			kinds[i] = string(k)
		}
		on := strings.Join(kinds, ", ")
		switch len(kinds) {
		case len(sandbox.Kinds()):
			on = "all"
		case len(sandbox.Kinds()) - 1:
			on = "all but authorise"
		}
		scripts[s.Name] = fmt.Sprintf("…%d %s %s", s.Digits, on, s.Does)
	}
	for file, row := range map[string]string{
		"../../docs/sandbox-gateway.md": "(?m)^\\| `(\\w+)` \\| (….*) \\|$",
		"doc.go":                        `(?m)^//\t(\w+) +(….*)$`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows := regexp.MustCompile(row).FindAllStringSubmatch(string(text), -1)
		if len(rows) != len(scripts) {
			t.Errorf("%s has %d scripts, want %d", file, len(rows), len(scripts))
		}
		for _, m := range rows {
			got := strings.Join(strings.Fields(strings.ReplaceAll(m[2], " | ", " ")), " ")
			if got != scripts[m[1]] {
				t.Errorf("%s says of %s\n%s\nwant\n%s", file, m[1], got, scripts[m[1]])
			}
		}
	}
}
