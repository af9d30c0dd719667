package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devcluster/internal/config"
	"devcluster/internal/host"
	"devcluster/internal/state"
)

// TestCrash kills devcluster up at several moments. What it leaves is removed by down, and a new up
// after another crash works without one.
func TestCrash(t *testing.T) {
	for _, after := range []time.Duration{30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 4 * time.Second} {
		cluster := crash(t, after)
		mustRun(t, "down", "--name", "crash")
		nothingLeft(t, cluster)
	}
	crashed := crash(t, time.Second)
	// As if the machine had been switched off: the supervisor is gone as well.
	if err := host.KillSupervisors(crashed, time.Minute); err != nil {
		t.Fatal(err)
	}
	cluster := up(t, "crash", "--control-plane-only")
	mustRun(t, "down", "--name", "crash")
	nothingLeft(t, cluster)
	nothingLeft(t, crashed)
}

// crash kills devcluster up after a while and returns the record it left. Before there is a record
// there is nothing but a lock.
func crash(t *testing.T, after time.Duration) *state.Cluster {
	t.Helper()
	command := exec.Command(filepath.Join(programs, "devcluster"), "up", "--name", "crash")
	command.Env = append(os.Environ(), "MILLWRIGHT_HOME="+home)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Fatalf("up was done within %s", after)
	}
	cluster, err := state.Load(home, "crash")
	if err != nil {
		t.Logf("killed after %s: no record yet", after)
		if cluster, err = state.New(home, "crash"); err != nil {
			t.Fatal(err)
		}
		return cluster
	}
	t.Logf("killed after %s: subnet %d", after, cluster.Subnet)
	return cluster
}

// TestFailure: a component that cannot run is named with what it said, and nothing but logs stays.
func TestFailure(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "containerd"), []byte("#!/bin/sh\necho out of order >&2\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", broken+":"+os.Getenv("PATH"))
	_, err := devcluster(t.Context(), "up", "--name", "failure", "--timeout", "15s")
	if err == nil {
		t.Fatal("a cluster came up without containerd")
	}
	cluster := load(t, "failure")
	for _, want := range []string{"the time is up", "containerd is ", "exited with 7", "out of order", cluster.Log(config.Containerd)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if _, err := os.Stat(cluster.Log(host.SuperviseCommand)); err != nil {
		t.Errorf("the logs are gone: %v", err)
	}
	for _, left := range [][]string{processes(t, cluster), links(t, cluster), routes(t, cluster), cgroups(t, cluster)} {
		if len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
	}
	mustRun(t, "down", "--name", "failure")
	nothingLeft(t, cluster)
}
