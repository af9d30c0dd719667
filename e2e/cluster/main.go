// Command devcluster runs a real Kubernetes on one Linux machine: etcd, the API server, the
// controllers, the scheduler, the kubelet and kube-proxy out of this one binary, with containerd and
// CNI plugins from the distribution. Each cluster lives in namespaces of its own; several can run side
// by side, and taking one down leaves nothing behind.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"

	"devcluster/internal/components"
	"devcluster/internal/host"
)

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	if name != components.Kubectl && len(arguments) > 0 {
		name, arguments = arguments[0], arguments[1:]
	}
	if code, known := components.Run(name, arguments); known {
		os.Exit(code)
	}
	if err := host.ExtendPath(); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer cancel()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
}
