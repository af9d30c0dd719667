package supervisor

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// reaper collects every child that ends. Process 1 inherits the orphans of its namespace, so it must
// wait for any child; waiting for single ones as os/exec does would compete with that.
type reaper struct {
	mu       sync.Mutex
	children map[int]chan<- unix.WaitStatus
}

func newReaper() *reaper {
	r := &reaper{children: map[int]chan<- unix.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			r.collect()
		}
	}()
	return r
}

// start starts a process and returns its number and a channel that receives its wait status once.
func (r *reaper) start(path string, arguments []string, attributes *os.ProcAttr) (int, <-chan unix.WaitStatus, error) {
	// Held until the child is known, so that it is not collected before.
	r.mu.Lock()
	defer r.mu.Unlock()
	process, err := os.StartProcess(path, arguments, attributes)
	if err != nil {
		return 0, nil, err
	}
	pid := process.Pid
	exited := make(chan unix.WaitStatus, 1)
	r.children[pid] = exited
	return pid, exited, process.Release()
}

// signal sends a signal to a child that has not been collected yet, so that its number cannot belong
// to another process by now. It reports whether there is such a child.
func (r *reaper) signal(pid int, sig unix.Signal) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.children[pid]; !known {
		return false, nil
	}
	return true, unix.Kill(pid, sig)
}

// collect takes the status of every child that has ended. One signal can stand for several.
func (r *reaper) collect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if exited, known := r.children[pid]; known {
			delete(r.children, pid)
			exited <- status
		}
	}
}
