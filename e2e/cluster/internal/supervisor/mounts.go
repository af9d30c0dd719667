package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// sysctls of the whole machine that the kubelet sets to these values if they differ.
var kubeletSysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// ownMounts gives the cluster a /proc and /run of its own and directories of its own where
// containerd, the kubelet and the CNI plugins have fixed paths.
func ownMounts(cluster *state.Cluster) error {
	// Without this, what is mounted here would appear on the host as well.
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	for _, directory := range []string{"/run/containerd", "/run/netns", "/run/lock"} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	if cluster.ControlPlaneOnly {
		return nil
	}
	for target, own := range map[string]string{
		"/var/lib/kubelet":    "kubelet",
		"/var/lib/cni":        "cni-state",
		"/var/log/pods":       "pod-logs",
		"/var/log/containers": "container-logs",
	} {
		if err := bind(cluster.Path(own), target); err != nil {
			return err
		}
	}
	// Volumes mounted by a pod with mount propagation have to reach the kubelet.
	if err := mount("none", "/var/lib/kubelet", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	return shieldSysctls(cluster)
}

// shieldSysctls lays files over the machine's sysctls that the kubelet would change for good, among
// them a reboot on any kernel oops. The kubelet finds the values it wants and the machine keeps its own.
func shieldSysctls(cluster *state.Cluster) error {
	for name, value := range kubeletSysctls {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		own := cluster.Path("sysctl", name)
		if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(own, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(own, target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func bind(source, target string) error {
	for _, directory := range []string{source, target} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	return mount(source, target, "", unix.MS_BIND, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
