package devstack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// child is a server process, with the goroutine that started it and waits for it.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and was waited for
	err  error         // how it ended; read after done
}

// startChild starts the process on an OS thread that lives as long as the process: the kernel sends the
// parent-death signal when the *thread* that forked ends, and Go ends threads at will.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return c, nil
}

// wait for the end of the process; when ctx ends first, the process is ended.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), c.kill())
	}
}

// end asks by the signal; when ctx ends it insists, and after a grace kills. How the process took its leave is no
// error here, only that it would not.
func (c *child) end(ctx context.Context, sig signalNumber) error {
	if c.ended() {
		return nil
	}
	if err := signal(c.cmd.Process.Pid, sig); err != nil && !c.ended() {
		return fmt.Errorf("stop process %d: %w", c.cmd.Process.Pid, err)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	case <-graceAfter(sig):
	}
	if err := signal(c.cmd.Process.Pid, signalImmediate); err != nil && !c.ended() {
		return fmt.Errorf("stop process %d: %w", c.cmd.Process.Pid, err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(quitGrace):
		return c.kill()
	}
}

// graceAfter bounds an immediate shutdown; an orderly one takes as long as its checkpoint takes.
func graceAfter(sig signalNumber) <-chan time.Time {
	if sig == signalImmediate {
		return time.After(quitGrace)
	}
	return nil
}

// kill ends the process and its children at once. It is stopped first so that it cannot fork meanwhile.
func (c *child) kill() error {
	if c.ended() {
		return nil
	}
	pid := c.cmd.Process.Pid
	if err := signal(pid, signalFreeze); err != nil && !c.ended() {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	kids := children(pid)
	if err := signal(pid, signalKill); err != nil && !c.ended() {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for _, kid := range kids {
		_ = signal(kid, signalKill) // an error means that it is gone already
	}
	<-c.done
	return nil
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
