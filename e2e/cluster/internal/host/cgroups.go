package host

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// cgroupRoots lists the mount points of all cgroup hierarchies, of version 1 and 2.
func cgroupRoots() ([]string, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var roots []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") {
			roots = append(roots, fields[1])
		}
	}
	return roots, scanner.Err()
}

// createCgroups makes the cluster's directory in every hierarchy. The kubelet keeps the pods of the
// cluster below it. The error is ErrTaken when one is there already.
func createCgroups(cluster *state.Cluster) error {
	roots, err := cgroupRoots()
	if err != nil {
		return fmt.Errorf("list cgroup hierarchies: %w", err)
	}
	if len(roots) == 0 {
		return errors.New("no cgroup hierarchy is mounted on this machine: pods need one, usually at /sys/fs/cgroup")
	}
	for i, root := range roots {
		directory := filepath.Join(root, cluster.Cgroup())
		err := os.Mkdir(directory, 0o755)
		if err == nil {
			continue
		}
		for _, made := range roots[:i] {
			err = errors.Join(err, removeCgroup(filepath.Join(made, cluster.Cgroup())))
		}
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cgroup %s: %w", directory, ErrTaken)
		}
		return fmt.Errorf("create cgroup: %w", err)
	}
	return nil
}

// removeCgroups removes the cluster's directories. The kernel refuses while a killed process is
// still being torn down, so it tries again until the time is up.
func removeCgroups(cluster *state.Cluster, patience time.Duration) error {
	roots, err := cgroupRoots()
	if err != nil {
		return fmt.Errorf("list cgroup hierarchies: %w", err)
	}
	deadline := time.Now().Add(patience)
	for {
		var last error
		for _, root := range roots {
			if err := removeCgroup(filepath.Join(root, cluster.Cgroup())); err != nil {
				last = err
			}
		}
		if last == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup is still in use after %s: %w", patience, last)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// removeCgroup removes a cgroup and all below it. Only directories can be removed in a cgroup file
// system, its files go with them.
func removeCgroup(directory string) error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(directory, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(directory); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: directory, Err: err}
	}
	return nil
}
