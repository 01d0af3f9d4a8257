package problem

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Page writes the page of a code: HTML if html is true, otherwise plain text.
func Page(w io.Writer, e Entry, html bool) error {
	if html {
		return page().Execute(w, e)
	}
	retry := "no"
	if e.Retryable {
		retry = "yes"
	}
	_, err := fmt.Fprintf(w, "%s (%d)\n%s\n\nWhat it means\n  %s\n\nWhat to do\n  %s\n\nRetryable: %s\n",
		e.Code, e.Status, e.Title, e.Means, e.Do, retry)
	return err
}

// Index writes the list of all codes.
func Index(w io.Writer, html bool) error {
	entries := make([]Entry, 0, len(Codes()))
	for _, c := range Codes() {
		e, _ := Lookup(c)
		entries = append(entries, e)
	}
	if html {
		return index().Execute(w, entries)
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%-32s %d  %s\n", e.Code, e.Status, e.Title)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const head = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`

func page() *template.Template {
	return template.Must(template.New("page").Parse(head + `<title>{{.Code}}</title></head><body>
<p><a href="/problems">All problems</a></p>
<h1>{{.Title}}</h1>
<p><code>{{.Code}}</code> &middot; status {{.Status}} &middot; {{if .Retryable}}may be retried{{else}}not worth retrying unchanged{{end}}</p>
<h2>What it means</h2><p>{{.Means}}</p>
<h2>What to do</h2><p>{{.Do}}</p>
</body></html>
`))
}

func index() *template.Template {
	return template.Must(template.New("index").Parse(head + `<title>Problems</title></head><body>
<h1>Problems</h1><table><tr><th>Code</th><th>Status</th><th>Title</th></tr>
{{range .}}<tr><td><a href="/problems/{{.Code}}"><code>{{.Code}}</code></a></td><td>{{.Status}}</td><td>{{.Title}}</td></tr>
{{end}}</table></body></html>
`))
}
