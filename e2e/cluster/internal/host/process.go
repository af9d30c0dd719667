package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// SuperviseCommand is the subcommand that runs as process 1 of a cluster.
const SuperviseCommand = "supervise"

// SuperviseArguments are the arguments of process 1 of a cluster. It is found again by them, not by
// a recorded process number, which could by now belong to someone else.
func SuperviseArguments(cluster *state.Cluster) []string {
	return []string{SuperviseCommand, "--home=" + cluster.Home(), "--name=" + cluster.Name}
}

// FindSupervisors returns the process numbers, as the host sees them, of the supervisors of a
// cluster: none or one, more only if something went badly wrong. One that has ended is not among
// them, as it has no arguments any more.
func FindSupervisors(cluster *state.Cluster) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	want := SuperviseArguments(cluster)
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		content, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil {
			continue
		}
		arguments := strings.Split(string(bytes.TrimSuffix(content, []byte{0})), "\x00")
		if len(arguments) > 1 && slices.Equal(arguments[1:], want) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// KillSupervisors kills process 1 of a cluster, whereupon the kernel kills every other process of
// the cluster and drops its mounts, links and iptables rules. It returns when all are gone.
func KillSupervisors(cluster *state.Cluster, patience time.Duration) error {
	pids, err := FindSupervisors(cluster)
	if err != nil {
		return fmt.Errorf("look for processes of cluster %s: %w", cluster.Name, err)
	}
	for _, pid := range pids {
		if err := killAndWait(pid, patience); err != nil {
			return fmt.Errorf("kill the supervisor of cluster %s, process %d: %w", cluster.Name, pid, err)
		}
	}
	return nil
}

// killAndWait returns when all threads of the process have ended. For process 1 of a namespace that
// is after all other processes of the namespace have.
func killAndWait(pid int, patience time.Duration) error {
	descriptor, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(descriptor)
	if err := unix.PidfdSendSignal(descriptor, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		ended := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
		count, err := unix.Poll(ended, int(max(0, time.Until(deadline)).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		if count == 0 {
			return fmt.Errorf("it is still there %s after SIGKILL", patience)
		}
		return nil
	}
}
