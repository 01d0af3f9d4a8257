// Command waybill is the engine and everything that people do with it: it runs the parts of the engine, alone or in
// one process, and it talks to a running one.
//
// Data goes to standard output and nothing else does; what is meant for people goes to standard error. The exit codes
// are those of [exit].
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"waybill/internal/failpoint"
)

func main() {
	if err := failpoint.Arm(); err != nil {
		fmt.Fprintln(os.Stderr, "waybill:", err)
		os.Exit(int(exitUsage))
	}
	uuid.EnableRandPool() // ids are no secrets: random bytes for them may wait in memory
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}, os.Args[1:])
	stop()
	os.Exit(code)
}

// app is the surroundings of a command, so that a test can be one.
type app struct {
	in       io.Reader
	out, err io.Writer
	environ  []string

	understood bool // the command line made sense, and a command was begun
}

// env returns an environment variable, "" if it is not set.
func (a *app) env(name string) string {
	for _, variable := range slices.Backward(a.environ) {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			return v
		}
	}
	return ""
}

// sayf writes a line for people.
func (a *app) sayf(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// exit is why a command ends.
type exit int

// The exit codes, which scripts may rely on.
const (
	exitOK        exit = 0
	exitError     exit = 1 // anything else
	exitUsage     exit = 2 // the command line or the configuration is wrong
	exitNotFound  exit = 3
	exitAuth      exit = 4 // no key, or not for this
	exitConflict  exit = 5 // version conflict, key reused, command in flight
	exitRefused   exit = 6 // the state of the order or item does not allow it
	exitTimeout   exit = 7 // nobody answered in time, or a read model is behind
	exitViolation exit = 8 // verify found something
)

// exitError carries the code of an error, and what to do next.
type codedError struct {
	code exit
	err  error
	next string // the next command to run, or another way on; empty: as wayOn says
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// fail makes an error with an exit code and a way on.
func fail(code exit, next, format string, args ...any) error {
	return &codedError{code: code, err: fmt.Errorf(format, args...), next: next}
}

func run(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return int(exitOK)
	}
	code, next := exitError, ""
	if !a.understood {
		code = exitUsage
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		code, next = coded.code, coded.next
	} else if helps, ok := errors.AsType[interface {
		error
		Run() string
	}](err); ok {
		next = helps.Run()
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return 130 // as a shell has it for an interrupt
	}
	a.sayf("waybill: %v", err)
	a.sayf("next: %s", firstOf(next, wayOn(cmd, code)))
	return int(code)
}

// wayOn is what to run after an error that does not say it: the list of what there is, where the command has one, if it
// did not find what it was asked for, and else what the command says of itself.
func wayOn(cmd *cobra.Command, code exit) string {
	if code == exitNotFound && cmd.HasParent() {
		for _, sibling := range cmd.Parent().Commands() {
			if sibling.Name() == "list" && sibling != cmd {
				return sibling.CommandPath()
			}
		}
	}
	return cmd.CommandPath() + " --help"
}

// usage marks errors of cobra's own as wrong use.
func usage(_ *cobra.Command, err error) error { return fail(exitUsage, "", "%w", err) }
