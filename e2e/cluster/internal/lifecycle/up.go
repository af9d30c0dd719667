// Package lifecycle brings clusters up and down.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"devcluster/internal/config"
	"devcluster/internal/host"
	"devcluster/internal/image"
	"devcluster/internal/state"
)

// Options of a cluster.
type Options struct {
	Name string
	// Subnet is the number to use, 0 for any that is free.
	Subnet           int
	ControlPlaneOnly bool
	Audit            bool
	Unthrottled      bool
	FeatureGates     string
	// Timeout bounds the time until the cluster works.
	Timeout time.Duration
	// Say receives progress, one line at a time.
	Say func(format string, arguments ...any)
}

// Up brings a cluster up, or finds that it is up already. On failure it stops what it has started
// and leaves the logs.
func Up(ctx context.Context, home string, options Options) (*state.Cluster, error) {
	if err := host.RequireRoot(); err != nil {
		return nil, err
	}
	cluster, err := state.New(home, options.Name)
	if err != nil {
		return nil, err
	}
	lock, err := acquire(ctx, cluster, options.Say)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()

	running, err := host.FindSupervisors(cluster)
	if err != nil {
		return nil, err
	}
	if len(running) > 0 {
		return confirm(ctx, home, options)
	}
	if _, err := os.Stat(cluster.Dir()); err == nil {
		options.Say("cluster %s is not running; removing what is left of it", cluster.Name)
		if err := remove(home, cluster.Name); err != nil {
			return nil, err
		}
	}
	cluster.ControlPlaneOnly, cluster.Audit = options.ControlPlaneOnly, options.Audit
	cluster.Unthrottled, cluster.FeatureGates = options.Unthrottled, options.FeatureGates
	if err := create(ctx, cluster, options); err != nil {
		err = explain(ctx, cluster, err)
		return nil, errors.Join(err, stop(cluster))
	}
	options.Say("cluster %s works", cluster.Name)
	return cluster, nil
}

// confirm makes sure that a running cluster is the one that was asked for, and works.
func confirm(ctx context.Context, home string, options Options) (*state.Cluster, error) {
	cluster, err := state.Load(home, options.Name)
	if err != nil {
		return nil, err
	}
	different := ""
	switch {
	case cluster.ControlPlaneOnly != options.ControlPlaneOnly:
		different = fmt.Sprintf("control-plane-only is %t", cluster.ControlPlaneOnly)
	case options.Audit && !cluster.Audit:
		different = "it writes no audit log"
	case cluster.Unthrottled != options.Unthrottled:
		different = fmt.Sprintf("unthrottled is %t", cluster.Unthrottled)
	case cluster.FeatureGates != options.FeatureGates:
		different = fmt.Sprintf("its feature gates are %q", cluster.FeatureGates)
	case options.Subnet != 0 && options.Subnet != cluster.Subnet:
		different = fmt.Sprintf("its subnet is %d", cluster.Subnet)
	}
	if different != "" {
		return nil, fmt.Errorf("cluster %s is running, but %s; remove it first with: devcluster down --name %s", cluster.Name, different, cluster.Name)
	}
	clients, err := newClients(cluster)
	if err != nil {
		return nil, err
	}
	if err := awaitAll(ctx, cluster, clients.checks(cluster)...); err != nil {
		return nil, fmt.Errorf("%w\nit is left running; remove it with: devcluster down --name %s", explain(ctx, cluster, err), cluster.Name)
	}
	return cluster, nil
}

// explain adds to the error of a cluster that did not work in time which components are in trouble.
func explain(ctx context.Context, cluster *state.Cluster, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("cluster %s does not work and the time is up (--timeout): %w%s", cluster.Name, err, troubledComponents(cluster))
}

func create(ctx context.Context, cluster *state.Cluster, options Options) error {
	cniPlugins := ""
	if !cluster.ControlPlaneOnly {
		var err error
		if cniPlugins, err = host.CheckPrograms(); err != nil {
			return err
		}
	}
	if err := reserve(cluster, options.Subnet); err != nil {
		return err
	}
	if err := config.WriteIdentities(cluster); err != nil {
		return err
	}
	if err := config.WriteFiles(cluster, cniPlugins); err != nil {
		return err
	}
	pid, err := startSupervisor(cluster)
	if err != nil {
		return err
	}
	if err := host.ConnectLink(cluster, pid); err != nil {
		return err
	}
	options.Say("cluster %s has subnet %d; starting etcd and the API server", cluster.Name, cluster.Subnet)
	clients, err := newClients(cluster)
	if err != nil {
		return err
	}
	if cluster.ControlPlaneOnly {
		return awaitAll(ctx, cluster, clients.checks(cluster)...)
	}
	return setUpNode(ctx, cluster, clients, options.Say)
}

// setUpNode loads the cluster's own images while the API server starts, then rolls DNS out.
func setUpNode(ctx context.Context, cluster *state.Cluster, clients *clients, say func(string, ...any)) error {
	loader, err := image.NewLoader(cluster)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := await(groupCtx, cluster, loader.Ready); err != nil {
			return err
		}
		for _, program := range ownImages(cluster) {
			if err := loader.LoadProgram(groupCtx, program); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		if err := awaitAll(groupCtx, cluster, clients.apiServerReady); err != nil {
			return err
		}
		say("the API server is ready")
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if err := awaitAll(ctx, cluster, clients.controllersWork, clients.nodeReady, clients.servicesReachable); err != nil {
		return err
	}
	say("the node is Ready; rolling out DNS")
	if err := applyAddons(ctx, clients.dynamic, cluster); err != nil {
		return err
	}
	return awaitAll(ctx, cluster, clients.rolledOut)
}

// checks are what a cluster that works passes.
func (c *clients) checks(cluster *state.Cluster) []check {
	if cluster.ControlPlaneOnly {
		return []check{c.apiServerReady, c.controllersWork}
	}
	return []check{c.apiServerReady, c.controllersWork, c.nodeReady, c.servicesReachable, c.rolledOut}
}

func awaitAll(ctx context.Context, cluster *state.Cluster, checks ...check) error {
	for _, check := range checks {
		if err := await(ctx, cluster, check); err != nil {
			return err
		}
	}
	return nil
}

// ownImages are the images every node needs.
func ownImages(cluster *state.Cluster) []image.Program {
	return []image.Program{
		{Reference: config.PauseImage, Path: cluster.Bin("pause"), User: "65535:65535"},
		{Reference: config.CoreDNSImage, Path: cluster.Bin("coredns")},
	}
}

// reserve finds a subnet and takes it. The record comes first, so that whatever follows is found
// again after a crash.
func reserve(cluster *state.Cluster, wanted int) error {
	taken, err := takenSubnets(cluster)
	if err != nil {
		return err
	}
	for {
		inUse, err := host.NetworksInUse()
		if err != nil {
			return err
		}
		if wanted != 0 {
			cluster.Subnet, err = wanted, state.CheckSubnet(wanted, taken, inUse)
		} else {
			cluster.Subnet, err = state.ChooseSubnet(taken, inUse)
		}
		if err != nil {
			return err
		}
		if err := cluster.Save(); err != nil {
			return err
		}
		err = host.Reserve(cluster)
		if !errors.Is(err, host.ErrTaken) {
			return err
		}
		taken[cluster.Subnet] = true
	}
}

// takenSubnets are those of all other clusters of this home, running or not.
func takenSubnets(cluster *state.Cluster) (map[int]bool, error) {
	names, err := state.List(cluster.Home())
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, name := range names {
		other, err := state.Load(cluster.Home(), name)
		if errors.Is(err, fs.ErrNotExist) || name == cluster.Name {
			continue
		}
		if err != nil {
			return nil, err
		}
		taken[other.Subnet] = true
	}
	return taken, nil
}

// startSupervisor starts process 1 of the cluster in namespaces of its own and returns its process
// number on the host.
func startSupervisor(cluster *state.Cluster) (int, error) {
	path := cluster.Log(host.SuperviseCommand)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	log, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	command := exec.Command("/proc/self/exe", host.SuperviseArguments(cluster)...)
	command.Args[0] = config.Self
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	// Nothing of the caller's environment, above all no proxy, should reach the components.
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	command.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true,
	}
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("start the supervisor in namespaces of its own: %w", err)
	}
	pid := command.Process.Pid
	return pid, command.Process.Release()
}
