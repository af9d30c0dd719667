package supervisor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/config"
)

const conditionOfTest config.Condition = "the test says so"

// One reaper for the whole test process: it collects every child.
var testReaper = newReaper()

func startProcess(t *testing.T, holds func(config.Condition) error, command ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	component := config.Component{Name: "test", Command: command, After: []config.Condition{conditionOfTest}}
	p := newProcess(component, filepath.Join(t.TempDir(), "test.log"), testReaper, holds)
	done := make(chan struct{})
	go func() {
		p.keepRunning(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		if status := p.snapshot(); status.PID != 0 {
			if err := p.signal(unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
		<-done
	})
	return p
}

func always(config.Condition) error { return nil }

func await(t *testing.T, p *process, what string, holds func(Status) bool) Status {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		p.mu.Lock()
		status, changed := p.status, p.changed
		p.mu.Unlock()
		if holds(status) {
			return status
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			t.Fatalf("not %s: %+v", what, status)
		}
	}
}

func running(s Status) bool { return s.State == Running }

func TestKilledProcessIsStartedAgain(t *testing.T) {
	p := startProcess(t, always, "sleep", "1000")
	first := await(t, p, "running", running)
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := await(t, p, "running again", func(s Status) bool { return running(s) && s.PID != first.PID })
	if second.Restarts != 1 || !strings.Contains(second.Detail, "SIGKILL") {
		t.Errorf("got %+v, want one restart after SIGKILL", second)
	}
}

func TestExitCodeIsReported(t *testing.T) {
	p := startProcess(t, always, "sh", "-c", "exit 3")
	await(t, p, "ended twice", func(s Status) bool {
		return s.State == BackingOff && s.Restarts > 0 && strings.Contains(s.Detail, "exited with 3")
	})
}

func TestMissingProgramIsReported(t *testing.T) {
	p := startProcess(t, always, "no-such-program")
	await(t, p, "reporting", func(s Status) bool { return strings.Contains(s.Detail, "no-such-program") })
}

func TestConditionIsAwaitedOnEveryStart(t *testing.T) {
	var ready atomic.Bool
	holds := func(config.Condition) error {
		if ready.Load() {
			return nil
		}
		return errors.New("not yet")
	}
	p := startProcess(t, holds, "sleep", "1000")
	await(t, p, "waiting", func(s Status) bool { return s.State == Waiting && strings.Contains(s.Detail, "not yet") })
	ready.Store(true)
	await(t, p, "running", running)
	ready.Store(false)
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, p, "waiting again", func(s Status) bool { return s.State == Waiting && s.PID == 0 })
}

func TestHoldAndRelease(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p := startProcess(t, always, "sleep", "1000")
	first := await(t, p, "running", running)
	if err := p.hold(ctx); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(first.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the held process still exists: %v", err)
	}
	if err := p.hold(ctx); err != nil {
		t.Errorf("holding twice: %v", err)
	}
	if err := p.signal(unix.SIGTERM); err == nil || !strings.Contains(err.Error(), "Held") {
		t.Errorf("signal to a held process: %v", err)
	}
	if err := p.release(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.release(ctx); err != nil {
		t.Errorf("releasing twice: %v", err)
	}
	if status := p.snapshot(); status.PID == first.PID || status.State != Running {
		t.Errorf("after release: %+v", status)
	}
}

func TestControl(t *testing.T) {
	p := startProcess(t, always, "sleep", "1000")
	await(t, p, "running", running)
	server := httptest.NewServer(controlHandler([]*process{p}))
	defer server.Close()
	for _, test := range []struct {
		path string
		want int
	}{
		{"/components/test/signal?name=CONT", http.StatusOK},
		{"/components/test/signal?name=NONE", http.StatusConflict},
		{"/components/none/stop", http.StatusNotFound},
		{"/components/test/dance", http.StatusNotFound},
		{"/components/test/stop", http.StatusOK},
		{"/components/test/start", http.StatusOK},
	} {
		response, err := http.Post(server.URL+test.path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", test.path, response.StatusCode, test.want)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for _, name := range []string{"kill", "KILL", "SIGKILL"} {
		if number, err := ParseSignal(name); err != nil || number != unix.SIGKILL {
			t.Errorf("%s: %v, %v", name, number, err)
		}
	}
	if _, err := ParseSignal("9x"); err == nil {
		t.Error("9x was accepted")
	}
}
