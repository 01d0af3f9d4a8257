package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows how far something is: a line that is written over on a terminal, nothing anywhere else.
type progress struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	what  string
	began time.Time
	shown time.Time
	from  int64
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// show says that done of of units of what are done. It may be called as often as one likes.
func (p *progress) show(what string, done, of int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if what != p.what {
		p.what, p.began, p.from = what, now, done
	}
	if !p.terminal || now.Sub(p.shown) < 100*time.Millisecond && done < of {
		return
	}
	p.shown = now
	fmt.Fprintf(p.w, "\r\033[K%s", p.line(now, done, of))
}

// line is a bar, with the rate and the time that is left once they mean something.
func (p *progress) line(now time.Time, done, of int64) string {
	const width = 24
	filled := 0
	if of > 0 {
		filled = int(min(done, of) * width / of)
	}
	line := fmt.Sprintf("%-24s [%s%s] %d/%d", p.what, strings.Repeat("█", filled), strings.Repeat("░", width-filled), done, of)
	elapsed := now.Sub(p.began)
	if elapsed < 200*time.Millisecond || done <= p.from {
		return line
	}
	rate := float64(done-p.from) / elapsed.Seconds()
	left := time.Duration(float64(of-done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s  %.0f/s  %s left", line, rate, left)
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.what != "" {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
