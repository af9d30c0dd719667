// Package components holds the programs of Kubernetes that are linked into this binary. Each is a
// subcommand and takes the flags of the original.
package components

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"devcluster/internal/config"
)

// Kubectl is the name of the client, as a subcommand or as the name the binary is called by.
const Kubectl = "kubectl"

var commands = map[string]func() *cobra.Command{
	config.APIServer:         apiserver.NewAPIServerCommand,
	config.ControllerManager: controllermanager.NewControllerManagerCommand,
	config.Scheduler:         func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	config.Kubelet:           func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	config.Proxy:             proxy.NewProxyCommand,
	Kubectl:                  kubectl.NewDefaultKubectlCommand,
}

// Run runs a component with its arguments and returns its exit code. It reports false, having done
// nothing, when there is no component of that name.
func Run(name string, arguments []string) (code int, known bool) {
	newCommand, known := commands[name]
	if !known {
		return 0, false
	}
	// kubectl looks for its plugins in os.Args, and the components log them.
	os.Args = append([]string{name}, arguments...)
	command := newCommand()
	command.SetArgs(arguments)
	if name == Kubectl {
		// Prints the error in kubectl's own words and exits with the code that belongs to it.
		kubectlutil.CheckErr(cli.RunNoErrOutput(command))
		return 0, true
	}
	return cli.Run(command), true
}
