package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/host"
	"devcluster/internal/state"
)

// patience is how long the kernel may take to tear down what was killed.
const patience = 60 * time.Second

// Down removes a cluster and everything of it, in whatever state it is. It reports whether there was
// anything to remove.
func Down(ctx context.Context, home, name string, say func(string, ...any)) (bool, error) {
	if err := host.RequireRoot(); err != nil {
		return false, err
	}
	cluster, err := state.New(home, name)
	if err != nil {
		return false, err
	}
	running, err := host.FindSupervisors(cluster)
	if err != nil {
		return false, err
	}
	if len(running) == 0 && !exists(cluster.Dir()) && !exists(cluster.LockPath()) {
		return false, nil
	}
	lock, err := acquire(ctx, cluster, say)
	if err != nil {
		return false, err
	}
	if err := remove(home, name); err != nil {
		lock.release()
		return false, err
	}
	return true, lock.releaseAndRemove()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// remove stops a cluster and deletes its directory.
func remove(home, name string) error {
	cluster, err := state.Load(home, name)
	if err != nil {
		// Without a readable record nothing but a directory and perhaps a process can be there.
		if cluster, err = state.New(home, name); err != nil {
			return err
		}
	}
	if err := stop(cluster); err != nil {
		return err
	}
	mounted, err := mountedBelow(cluster.Dir())
	if err != nil {
		return err
	}
	if mounted != "" {
		return fmt.Errorf("%s is mounted inside the directory of cluster %s and would be emptied; unmount it first", mounted, cluster.Name)
	}
	// Processes of a supervisor that someone else has just killed may still be ending, and writing.
	deadline := time.Now().Add(patience)
	for {
		err := os.RemoveAll(cluster.Dir())
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.ENOTEMPTY) || time.Now().After(deadline) {
			return fmt.Errorf("remove the directory of cluster %s: %w", cluster.Name, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stop ends all processes of a cluster and removes what lies outside its directory.
func stop(cluster *state.Cluster) error {
	if err := host.KillSupervisors(cluster, patience); err != nil {
		return err
	}
	if cluster.Subnet == 0 {
		return nil
	}
	return host.Release(cluster, patience)
}

// mountedBelow returns a mount point of this mount namespace below a directory, if there is one.
func mountedBelow(directory string) (string, error) {
	file, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		if fields := strings.Fields(scanner.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], directory+"/") {
			return fields[1], nil
		}
	}
	return "", scanner.Err()
}
