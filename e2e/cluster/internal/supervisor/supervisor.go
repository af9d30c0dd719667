// Package supervisor is process 1 of a cluster: it prepares the cluster's namespaces, starts the
// components, starts again what dies, and collects orphans. When it ends, so does everything.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"devcluster/internal/config"
	"devcluster/internal/host"
	"devcluster/internal/state"
)

// linkPatience is how long the host may take to move the link in.
const linkPatience = 15 * time.Second

// Run does not return before ctx ends, except with an error during preparation. It must be the first
// process of new mount, network, process, host name and IPC namespaces.
func Run(ctx context.Context, cluster *state.Cluster) error {
	if os.Getpid() != 1 {
		return errors.New("supervise is started by devcluster up, in namespaces of its own; it is not for direct use")
	}
	if err := ownMounts(cluster); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(state.NodeName)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := awaitLink(ctx, cluster); err != nil {
		return err
	}
	if err := host.ConfigurePeer(cluster); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switch on forwarding: %w", err)
	}
	readiness, err := newReadiness(cluster)
	if err != nil {
		return err
	}
	reaper := newReaper()
	var processes []*process
	for _, component := range config.Components(cluster) {
		p := newProcess(component, cluster.Log(component.Name), reaper, readiness.check)
		processes = append(processes, p)
		go p.keepRunning(ctx)
	}
	log.Printf("supervising %d components of cluster %s", len(processes), cluster.Name)
	return serveControl(ctx, cluster, processes)
}

func awaitLink(ctx context.Context, cluster *state.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	for !host.PeerArrived(cluster) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("link %s did not arrive within %s", cluster.PeerLink(), linkPatience)
		}
	}
	return nil
}

// listens says whether something accepts connections on a Unix socket.
func listens(path string) error {
	connection, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return err
	}
	return connection.Close()
}
