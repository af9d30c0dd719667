package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func TestRunning(t *testing.T) {
	if !Running(os.Getpid()) {
		t.Error("this process is not running")
	}
	if Running(1 << 30) {
		t.Error("a process that cannot exist is running")
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
