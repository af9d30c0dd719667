package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"devcluster/internal/components"
	"devcluster/internal/config"
	"devcluster/internal/host"
	"devcluster/internal/image"
	"devcluster/internal/lifecycle"
	"devcluster/internal/provisioner"
	"devcluster/internal/state"
	"devcluster/internal/supervisor"
)

// defaultName is the cluster that a person works with; tests use other names.
const defaultName = "dev"

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "devcluster",
		Short:             "A real Kubernetes on one Linux machine",
		Long:              "A real Kubernetes on one Linux machine, in namespaces of its own.\nAll state is in $MILLWRIGHT_HOME, by default ~/.cache/millwright.",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(upCommand(), downCommand(), statusCommand(), loadCommand(), imageCommand(),
		signalCommand(), stopComponentCommand(), startComponentCommand(), kubectlCommand(),
		superviseCommand(), etcdCommand(), provisionerCommand())
	return root
}

func upCommand() *cobra.Command {
	options := lifecycle.Options{Say: progress()}
	command := &cobra.Command{
		Use:   "up",
		Short: "Bring a cluster up and print the line that selects it",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			home, err := state.Home()
			if err != nil {
				return err
			}
			cluster, err := lifecycle.Up(command.Context(), home, options)
			if err != nil {
				return err
			}
			fmt.Printf("export KUBECONFIG=%s\n", cluster.Kubeconfig())
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.Name, "name", defaultName, "name of the cluster")
	flags.IntVar(&options.Subnet, "subnet", 0, fmt.Sprintf("subnet number, 1 to %d; 0 takes a free one", state.MaxSubnet))
	flags.BoolVar(&options.ControlPlaneOnly, "control-plane-only", false, "no node: only etcd, the API server, the controllers and the scheduler")
	flags.BoolVar(&options.Audit, "audit", false, "write an audit log at level Metadata to audit.log in the cluster's directory")
	flags.BoolVar(&options.Unthrottled, "unthrottled", false, "no limits on the requests of the controllers and the scheduler, and no API Priority and Fairness: for measuring")
	flags.StringVar(&options.FeatureGates, "feature-gates", "", "feature gates of the API server, such as WatchList=false: what older versions lack")
	flags.DurationVar(&options.Timeout, "timeout", 5*time.Minute, "how long the cluster may take to work")
	return command
}

func downCommand() *cobra.Command {
	var name string
	var all bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Remove a cluster and everything of it",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			home, err := state.Home()
			if err != nil {
				return err
			}
			names := []string{name}
			if all {
				if names, err = state.List(home); err != nil {
					return err
				}
			}
			var failures []error
			for _, name := range names {
				removed, err := lifecycle.Down(command.Context(), home, name, progress())
				if err != nil {
					failures = append(failures, err)
				} else if removed {
					fmt.Fprintf(os.Stderr, "cluster %s is removed\n", name)
				} else {
					fmt.Fprintf(os.Stderr, "there is no cluster %s\n", name)
				}
			}
			return errors.Join(failures...)
		},
	}
	command.Flags().StringVar(&name, "name", defaultName, "name of the cluster")
	command.Flags().BoolVar(&all, "all", false, "remove every cluster of this MILLWRIGHT_HOME")
	command.MarkFlagsMutuallyExclusive("name", "all")
	return command
}

func statusCommand() *cobra.Command {
	var name string
	command := &cobra.Command{
		Use:   "status",
		Short: "List the clusters, or the components of one with --name",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			home, err := state.Home()
			if err != nil {
				return err
			}
			if name != "" {
				return printComponents(command, home, name)
			}
			return printClusters(home)
		},
	}
	command.Flags().StringVar(&name, "name", "", "name of the cluster")
	return command
}

func printClusters(home string) error {
	names, err := state.List(home)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tMODE\tSUBNET\tKUBECONFIG")
	for _, name := range names {
		cluster, err := state.Load(home, name)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(table, "%s\tIncomplete\t\t\t\n", name)
			continue
		}
		if err != nil {
			return err
		}
		running, err := host.FindSupervisors(cluster)
		if err != nil {
			return err
		}
		condition, mode := "Stopped", "node"
		if len(running) > 0 {
			condition = "Running"
		}
		if cluster.ControlPlaneOnly {
			mode = "control plane only"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", name, condition, mode, cluster.Subnet, cluster.Kubeconfig())
	}
	return table.Flush()
}

func printComponents(command *cobra.Command, home, name string) error {
	cluster, err := state.Load(home, name)
	if err != nil {
		return err
	}
	statuses, err := supervisor.NewClient(cluster).Components(command.Context())
	if err != nil {
		return fmt.Errorf("cluster %s: %w", name, err)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tSTATE\tRESTARTS\tDETAIL\tLOG")
	for _, status := range statuses {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", status.Name, status.State, status.Restarts, status.Detail, cluster.Log(status.Name))
	}
	return table.Flush()
}

func loadCommand() *cobra.Command {
	var name string
	command := &cobra.Command{
		Use:   "load FILE...",
		Short: "Load image archives into a cluster, unless the same images are there",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			cluster, err := loadCluster(name)
			if err != nil {
				return err
			}
			loader, err := image.NewLoader(cluster)
			if err != nil {
				return err
			}
			for _, file := range files {
				started := time.Now()
				loaded, err := loader.LoadFile(command.Context(), file)
				if err != nil {
					return err
				}
				if loaded {
					fmt.Fprintf(os.Stderr, "loaded %s in %.1f s\n", file, time.Since(started).Seconds())
				} else {
					fmt.Fprintf(os.Stderr, "%s is loaded already\n", file)
				}
			}
			return nil
		},
	}
	command.Flags().StringVar(&name, "name", defaultName, "name of the cluster")
	return command
}

func imageCommand() *cobra.Command {
	var program image.Program
	var output string
	command := &cobra.Command{
		Use:   "image",
		Short: "Write the image of a single static program as a docker-archive",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			// Renamed when whole, so that no one finds half an archive.
			file, err := os.Create(output + ".new")
			if err != nil {
				return err
			}
			if err := errors.Join(program.WriteArchive(file), file.Close()); err != nil {
				return errors.Join(err, os.Remove(file.Name()))
			}
			return os.Rename(file.Name(), output)
		},
	}
	flags := command.Flags()
	flags.StringVar(&program.Reference, "reference", "", "name and tag of the image")
	flags.StringVar(&program.Path, "program", "", "the program; in the image it is at the root and the entry point")
	flags.StringVar(&program.User, "user", "65532:65532", "numeric user and group it runs as")
	flags.StringVar(&output, "output", "", "file to write")
	for _, name := range []string{"reference", "program", "output"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return command
}

func signalCommand() *cobra.Command {
	return componentCommand("signal SIGNAL", "Send a signal to a component, such as KILL, STOP or CONT", cobra.ExactArgs(1),
		func(command *cobra.Command, client *supervisor.Client, component string, arguments []string) error {
			return client.Signal(command.Context(), component, arguments[0])
		})
}

func stopComponentCommand() *cobra.Command {
	return componentCommand("stop-component", "Kill a component and keep it down", cobra.NoArgs,
		func(command *cobra.Command, client *supervisor.Client, component string, _ []string) error {
			return client.Stop(command.Context(), component)
		})
}

func startComponentCommand() *cobra.Command {
	return componentCommand("start-component", "Let a stopped component run again", cobra.NoArgs,
		func(command *cobra.Command, client *supervisor.Client, component string, _ []string) error {
			return client.Start(command.Context(), component)
		})
}

func componentCommand(use, short string, arguments cobra.PositionalArgs, act func(*cobra.Command, *supervisor.Client, string, []string) error) *cobra.Command {
	var name, component string
	command := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  arguments,
		RunE: func(command *cobra.Command, arguments []string) error {
			cluster, err := loadCluster(name)
			if err != nil {
				return err
			}
			if err := act(command, supervisor.NewClient(cluster), component, arguments); err != nil {
				return fmt.Errorf("cluster %s: %w", name, err)
			}
			return nil
		},
	}
	known := []string{config.Etcd, config.APIServer, config.ControllerManager, config.Scheduler, config.Containerd, config.Kubelet, config.Proxy, config.Provisioner}
	command.Flags().StringVar(&name, "name", defaultName, "name of the cluster")
	command.Flags().StringVar(&component, "component", "", "one of "+strings.Join(known, ", "))
	if err := command.MarkFlagRequired("component"); err != nil {
		panic(err)
	}
	return command
}

// kubectlCommand is only for the help text: main hands the arguments to kubectl before they get here.
func kubectlCommand() *cobra.Command {
	return &cobra.Command{Use: components.Kubectl, Short: "kubectl, of the version of the cluster", Run: func(*cobra.Command, []string) {}}
}

func superviseCommand() *cobra.Command {
	var home, name string
	command := &cobra.Command{
		Use:    host.SuperviseCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			cluster, err := state.Load(home, name)
			if err != nil {
				return err
			}
			return supervisor.Run(command.Context(), cluster)
		},
	}
	command.Flags().StringVar(&home, "home", "", "MILLWRIGHT_HOME of the cluster")
	command.Flags().StringVar(&name, "name", "", "name of the cluster")
	return command
}

func etcdCommand() *cobra.Command {
	var directory string
	command := &cobra.Command{
		Use:    config.Etcd,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return components.RunEtcd(command.Context(), directory)
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "data directory")
	return command
}

func provisionerCommand() *cobra.Command {
	var kubeconfig, volumes string
	command := &cobra.Command{
		Use:    config.Provisioner,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return provisioner.Run(command.Context(), kubeconfig, volumes)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the provisioner")
	command.Flags().StringVar(&volumes, "volumes", "", "directory that holds the volumes")
	return command
}

func loadCluster(name string) (*state.Cluster, error) {
	home, err := state.Home()
	if err != nil {
		return nil, err
	}
	cluster, err := state.Load(home, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no cluster %s; make it with: devcluster up --name %s", name, name)
	}
	return cluster, err
}

// progress prints lines with the time since the program was started.
func progress() func(string, ...any) {
	started := time.Now()
	return func(format string, arguments ...any) {
		fmt.Fprintf(os.Stderr, "%5.1f s  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, arguments...))
	}
}
