// Package integration tests devcluster as its users run it. It needs root, the packages of a cluster
// and the built programs, and runs only with DEVCLUSTER_BIN naming the directory of those.
package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devcluster/internal/state"
)

var (
	// home is a MILLWRIGHT_HOME of the test's own.
	home string
	// programs is the directory of the built programs.
	programs string
)

func TestMain(m *testing.M) {
	programs = os.Getenv("DEVCLUSTER_BIN")
	if programs == "" {
		fmt.Println("skipped: DEVCLUSTER_BIN does not name a directory of built programs")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	// Long on purpose: Unix socket paths must not depend on it.
	if home, err = os.MkdirTemp("", "devcluster-"+strings.Repeat("long-", 12)); err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(home)
	if err := os.Symlink(programs, filepath.Join(home, "bin")); err != nil {
		fmt.Println(err)
		return 1
	}
	code := m.Run()
	if _, err := devcluster(context.Background(), "down", "--all"); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

// devcluster runs the program and returns what it wrote to standard output.
func devcluster(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(programs, "devcluster"), arguments...)
	command.Env = append(os.Environ(), "MILLWRIGHT_HOME="+home)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("devcluster %s: %w\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func mustRun(t *testing.T, arguments ...string) string {
	t.Helper()
	started := time.Now()
	output, err := devcluster(t.Context(), arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("devcluster %s: %.1f s", strings.Join(arguments, " "), time.Since(started).Seconds())
	return output
}

// up brings a cluster up, removes it when the test ends, and checks the line that selects it.
func up(t *testing.T, name string, flags ...string) *state.Cluster {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, name)
		}
		if _, err := devcluster(context.Background(), "down", "--name", name); err != nil {
			t.Error(err)
		}
	})
	output := mustRun(t, append([]string{"up", "--name", name}, flags...)...)
	cluster := load(t, name)
	if want := "export KUBECONFIG=" + cluster.Kubeconfig() + "\n"; output != want {
		t.Fatalf("up printed %q, want %q", output, want)
	}
	return cluster
}

func load(t *testing.T, name string) *state.Cluster {
	t.Helper()
	cluster, err := state.Load(home, name)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// showLogs prints the end of every log of a cluster.
func showLogs(t *testing.T, name string) {
	files, _ := filepath.Glob(filepath.Join(home, "clusters", name, "log", "*.log"))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Log(err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		t.Logf("%s:\n%s", file, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// eventually looks until check passes.
func eventually(t *testing.T, patience time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", patience, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
