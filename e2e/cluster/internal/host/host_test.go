package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devcluster/internal/state"
)

func TestCheckProgramsNamesWhatIsMissing(t *testing.T) {
	look := func(name string) (string, error) {
		if name == "runc" || strings.HasPrefix(name, "containerd") {
			return "", errors.New("not found")
		}
		return "/usr/bin/" + name, nil
	}
	_, err := checkPrograms(look, []string{t.TempDir()})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"containerd-shim-runc-v2", "runc", "ptp", "apt-get install --no-install-recommends containerd runc containernetworking-plugins"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "iptables") {
		t.Errorf("%q names iptables, which is there", err)
	}
}

func TestCheckProgramsFindsPlugins(t *testing.T) {
	directory := t.TempDir()
	for _, plugin := range cniPlugins {
		if err := os.WriteFile(filepath.Join(directory, plugin), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	found := func(name string) (string, error) { return "/usr/bin/" + name, nil }
	cni, err := checkPrograms(found, []string{"/nonexistent", directory})
	if err != nil || cni != directory {
		t.Errorf("got %q, %v; want %q", cni, err, directory)
	}
}

func TestKillAndWait(t *testing.T) {
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	pid := command.Process.Pid
	if err := killAndWait(pid, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the process ended with %v", err)
	}
	if err := killAndWait(pid, time.Second); err != nil {
		t.Errorf("a process that is gone: %v", err)
	}
}

func TestFindSupervisorsFindsNoneOfAnUnknownCluster(t *testing.T) {
	cluster, err := state.New(t.TempDir(), "none")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := FindSupervisors(cluster)
	if err != nil || len(pids) != 0 {
		t.Errorf("got %v, %v", pids, err)
	}
}
