package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/config"
)

// State of a component.
type State string

const (
	// Waiting for what the component must come after.
	Waiting State = "Waiting"
	// Running: the process exists.
	Running State = "Running"
	// BackingOff: it ended and is started again shortly.
	BackingOff State = "BackingOff"
	// Held: it is kept down until someone starts it.
	Held State = "Held"
)

// Status is what the supervisor knows about a component.
type Status struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// PID is the process number inside the cluster, 0 when it is not running.
	PID int `json:"pid,omitempty"`
	// Restarts counts starts after the first.
	Restarts int `json:"restarts"`
	// Detail is what it waits for while Waiting, otherwise how it last ended.
	Detail string `json:"detail,omitempty"`
}

const (
	// firstBackoff is the pause before the first restart; it doubles up to maxBackoff.
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// steady is how long a component must have run for the pause to start over.
	steady = 10 * time.Second
)

var errHeld = errors.New("component is held down")

// process keeps one component running.
type process struct {
	component config.Component
	logPath   string
	reaper    *reaper
	holds     func(config.Condition) error

	mu      sync.Mutex
	status  Status
	held    bool
	starts  int
	lastEnd string
	changed chan struct{}
}

func newProcess(component config.Component, logPath string, reaper *reaper, holds func(config.Condition) error) *process {
	return &process{
		component: component,
		logPath:   logPath,
		reaper:    reaper,
		holds:     holds,
		status:    Status{Name: component.Name, State: Waiting},
		changed:   make(chan struct{}),
	}
}

// keepRunning starts the component, and starts it again whenever it ends, until ctx ends.
func (p *process) keepRunning(ctx context.Context) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		if err := p.awaitRelease(ctx); err != nil {
			return
		}
		if err := p.awaitConditions(ctx); err != nil {
			continue
		}
		started := time.Now()
		p.runOnce()
		if time.Since(started) > steady {
			backoff = firstBackoff
		}
		p.pause(ctx, backoff)
		backoff = min(2*backoff, maxBackoff)
	}
}

// awaitRelease returns once the component is not held down.
func (p *process) awaitRelease(ctx context.Context) error {
	for {
		p.mu.Lock()
		held, changed := p.held, p.changed
		if held {
			p.set(Held, 0, p.lastEnd)
		}
		p.mu.Unlock()
		if !held {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitConditions returns once everything the component must come after holds.
func (p *process) awaitConditions(ctx context.Context) error {
	for _, condition := range p.component.After {
		for {
			err := p.holds(condition)
			if err == nil {
				break
			}
			p.mu.Lock()
			held := p.held
			if !held {
				p.set(Waiting, 0, fmt.Sprintf("until %s: %v", condition, err))
			}
			p.mu.Unlock()
			if held {
				return errHeld
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// runOnce starts the process and returns when it has ended.
func (p *process) runOnce() {
	p.mu.Lock()
	if p.held {
		p.mu.Unlock()
		return
	}
	pid, exited, err := p.start()
	if err != nil {
		p.set(BackingOff, 0, err.Error())
		p.mu.Unlock()
		return
	}
	p.starts++
	p.set(Running, pid, p.lastEnd)
	p.mu.Unlock()

	status := <-exited
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastEnd = describe(status)
	p.set(BackingOff, 0, p.lastEnd)
}

func (p *process) start() (int, <-chan unix.WaitStatus, error) {
	path, err := lookPath(p.component.Command[0])
	if err != nil {
		return 0, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(p.logPath), 0o755); err != nil {
		return 0, nil, err
	}
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, nil, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	return p.reaper.start(path, p.component.Command, &os.ProcAttr{
		Dir:   "/",
		Env:   os.Environ(),
		Files: []*os.File{null, log, log},
		// A session of its own, so that nothing sent to the supervisor's group reaches it.
		Sys: &unix.SysProcAttr{Setsid: true},
	})
}

// lookPath finds a program. The running binary is reached through /proc, which works even after a
// newer build has taken its place on disk.
func lookPath(program string) (string, error) {
	if program == config.Self {
		return "/proc/self/exe", nil
	}
	return exec.LookPath(program)
}

// pause waits before the next start, or until someone holds or releases the component.
func (p *process) pause(ctx context.Context, backoff time.Duration) {
	p.mu.Lock()
	held, changed := p.held, p.changed
	p.mu.Unlock()
	if held {
		return
	}
	select {
	case <-time.After(backoff):
	case <-changed:
	case <-ctx.Done():
	}
}

// hold kills the component and keeps it down. It returns once the process is gone.
func (p *process) hold(ctx context.Context) error {
	p.mu.Lock()
	p.held = true
	p.notify()
	pid := p.status.PID
	p.mu.Unlock()
	if pid != 0 {
		if _, err := p.reaper.signal(pid, unix.SIGKILL); err != nil {
			return err
		}
	}
	return p.await(ctx, Held)
}

// release lets a held component start again and returns once it runs, or at once if it was not held.
func (p *process) release(ctx context.Context) error {
	p.mu.Lock()
	p.held = false
	p.notify()
	p.mu.Unlock()
	return p.await(ctx, Running)
}

// signal sends a signal to the running process.
func (p *process) signal(sig unix.Signal) error {
	status := p.snapshot()
	if status.PID != 0 {
		if sent, err := p.reaper.signal(status.PID, sig); sent || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is not running, its state is %s", p.component.Name, status.State)
}

func (p *process) await(ctx context.Context, want State) error {
	for {
		p.mu.Lock()
		status, changed := p.status, p.changed
		p.mu.Unlock()
		if status.State == want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s did not become %s, it is %s (%s); see %s", p.component.Name, want, status.State, status.Detail, p.logPath)
		}
	}
}

func (p *process) snapshot() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// set records a state; the caller holds the lock.
func (p *process) set(state State, pid int, detail string) {
	next := Status{Name: p.component.Name, State: state, PID: pid, Restarts: max(0, p.starts-1), Detail: detail}
	if next != p.status {
		p.status = next
		p.notify()
	}
}

// notify wakes everyone who waits for a change; the caller holds the lock.
func (p *process) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func describe(status unix.WaitStatus) string {
	at := time.Now().UTC().Format(time.RFC3339)
	if status.Signaled() {
		return fmt.Sprintf("was killed by %s at %s", unix.SignalName(status.Signal()), at)
	}
	return fmt.Sprintf("exited with %d at %s", status.ExitStatus(), at)
}
