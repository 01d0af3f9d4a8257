package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that dies with this process, whatever ends it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended and was waited for
	err  error         // how it ended; read after done
}

// startProcess starts a program whose output is appended to a file. It is started on a thread that lives as long as the
// child does, because the kernel sends the parent's death signal when the thread ends that started it.
func startProcess(path string, args, env []string, dir, output string) (*process, error) {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) //nolint:gosec // for whoever looks into a failure
	if err != nil {
		return nil, err
	}
	defer file.Close()                 // the child has its own copy
	cmd := exec.Command(path, args...) //nolint:noctx // it ends by a signal, not by a context
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, env, file, file, attributes()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to a child that runs; one that has ended is none the worse for it.
func (p *process) signal(s syscall.Signal) error {
	if err := signal(p.pid(), s); err != nil && p.running() {
		return fmt.Errorf("signal %s to process %d: %w", s, p.pid(), err)
	}
	return nil
}

// kill ends the child as a power loss would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended
	<-p.done
}

// wait waits for the end of the child and returns its exit code, -1 if a signal ended it.
func (p *process) wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the end of process %d: %w", p.pid(), context.Cause(ctx))
	}
}

// runProgram runs a program to its end.
func runProgram(ctx context.Context, path string, args, env []string, dir string) (out, errs []byte, code int, err error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr output
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, env, &stdout, &stderr, attributes()
	runtime.LockOSThread() // as in startProcess
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return stdout.b, stderr.b, exit.ExitCode(), nil
	}
	if err != nil {
		err = fmt.Errorf("run %s %v: %w: %s", path, args, errors.Join(err, context.Cause(ctx)), tail(stderr.b))
	}
	return stdout.b, stderr.b, 0, err
}

// output keeps what a program writes.
type output struct{ b []byte }

func (o *output) Write(p []byte) (int, error) {
	o.b = append(o.b, p...)
	return len(p), nil
}

// tail is the end of what a program wrote.
func tail(b []byte) string {
	const most = 4000
	if len(b) > most {
		return "…" + string(b[len(b)-most:])
	}
	return string(b)
}
