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
// cluster: none or one, more only if something went badly wrong.
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
		if len(arguments) > 1 && slices.Equal(arguments[1:], want) && Running(pid) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// Running says whether a process exists and is more than a zombie.
func Running(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state follows the command name, which is in parentheses and may contain anything.
	_, after, found := strings.Cut(string(content[bytes.LastIndexByte(content, ')')+1:]), " ")
	return found && !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// KillSupervisors kills process 1 of a cluster, whereupon the kernel kills every other process of
// the cluster and drops its mounts, links and iptables rules. It returns when all are gone.
func KillSupervisors(cluster *state.Cluster, patience time.Duration) error {
	pids, err := FindSupervisors(cluster)
	if err != nil {
		return fmt.Errorf("look for processes of cluster %s: %w", cluster.Name, err)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill the supervisor of cluster %s, process %d: %w", cluster.Name, pid, err)
		}
	}
	deadline := time.Now().Add(patience)
	for _, pid := range pids {
		for Running(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("the supervisor of cluster %s, process %d, is still there %s after SIGKILL", cluster.Name, pid, patience)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}
