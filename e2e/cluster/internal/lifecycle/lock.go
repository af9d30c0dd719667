package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// lock keeps others from bringing the same cluster up or down. The kernel releases it when the
// process ends, however it ends.
type lock struct {
	file *os.File
}

// acquire waits for the lock of a cluster; say is told once if it has to wait.
func acquire(ctx context.Context, cluster *state.Cluster, say func(string, ...any)) (*lock, error) {
	path := cluster.LockPath()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	told := false
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && isFile(file, path) {
			return &lock{file: file}, nil
		}
		file.Close()
		if err == nil {
			// The holder before us removed the file; lock the new one.
			continue
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			say("waiting for another devcluster that works on cluster %s", cluster.Name)
			told = true
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("another devcluster still works on cluster %s: %w", cluster.Name, ctx.Err())
		}
	}
}

func (l *lock) release() { l.file.Close() }

// releaseAndRemove leaves no file behind. Whoever has it open already finds out in acquire.
func (l *lock) releaseAndRemove() error {
	defer l.file.Close()
	return os.Remove(l.file.Name())
}

func isFile(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
