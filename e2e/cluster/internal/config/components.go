// Package config renders what the components of a cluster are started with: command lines,
// configuration files, certificates and kubeconfigs.
package config

import (
	"os"
	"path/filepath"

	"devcluster/internal/state"
)

// Names of the components, as used on the command line, for log files and by the supervisor.
const (
	Etcd              = "etcd"
	APIServer         = "apiserver"
	ControllerManager = "controller-manager"
	Scheduler         = "scheduler"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	Proxy             = "proxy"
	Provisioner       = "provisioner"
)

// Self as a program stands for the running binary itself, which holds the Kubernetes components.
const Self = "devcluster"

// ProvisionerUser is the user name of the volume provisioner.
const ProvisionerUser = "system:devcluster:provisioner"

// frontProxyUser is the API server when it passes a request on to an aggregated API server.
const frontProxyUser = "front-proxy-client"

// ContainerdSocket is containerd's socket, inside the cluster's own /run.
const ContainerdSocket = "/run/containerd/containerd.sock"

// unthrottled are limits that nothing on one machine reaches.
var unthrottled = []string{"--kube-api-qps=5000", "--kube-api-burst=10000"}

// Condition is what must hold before a component is started, on every start.
type Condition string

const (
	// APIServerReady: /readyz of the API server answers ok. The controller manager exits when it
	// comes before the RBAC bootstrap that /readyz waits for.
	APIServerReady Condition = "the API server is ready"
	// ContainerdListens: containerd accepts connections.
	ContainerdListens Condition = "containerd listens"
)

// Component is one supervised process.
type Component struct {
	Name string
	// Command is the program, found on the PATH unless it is Self, and its arguments.
	Command []string
	// After is what must hold before it is started.
	After []Condition
}

// Components lists the processes of a cluster in the order in which they are first started.
func Components(cluster *state.Cluster) []Component {
	components := []Component{
		{Name: Etcd, Command: []string{Self, Etcd, "--data-dir=" + cluster.Path("etcd")}},
		{Name: APIServer, Command: append([]string{Self, APIServer}, apiServerFlags(cluster)...)},
		{Name: ControllerManager, Command: append([]string{Self, ControllerManager}, controllerManagerFlags(cluster)...), After: []Condition{APIServerReady}},
		{Name: Scheduler, Command: append([]string{Self, Scheduler}, schedulerFlags(cluster)...), After: []Condition{APIServerReady}},
	}
	if cluster.ControlPlaneOnly {
		return components
	}
	return append(components,
		Component{Name: Containerd, Command: []string{"containerd", "--config=" + cluster.Path("components", "containerd.toml")}},
		Component{Name: Kubelet, Command: append([]string{Self, Kubelet}, kubeletFlags(cluster)...), After: []Condition{ContainerdListens}},
		Component{Name: Proxy, Command: append([]string{Self, Proxy}, proxyFlags(cluster)...), After: []Condition{APIServerReady}},
		Component{Name: Provisioner, Command: []string{Self, Provisioner, "--kubeconfig=" + cluster.ComponentKubeconfig(Provisioner), "--volumes=" + cluster.Volumes()}, After: []Condition{APIServerReady}},
	)
}

func apiServerFlags(cluster *state.Cluster) []string {
	flags := []string{
		"--etcd-servers=http://" + EtcdAddress,
		"--secure-port=6443",
		"--bind-address=0.0.0.0",
		"--advertise-address=" + cluster.NodeIP().String(),
		"--cert-dir=" + cluster.Path("components", APIServer),
		"--tls-cert-file=" + cluster.PKI("apiserver.crt"),
		"--tls-private-key-file=" + cluster.PKI("apiserver.key"),
		"--client-ca-file=" + cluster.PKI("ca.crt"),
		"--authorization-mode=Node,RBAC",
		// The second is what OpenShift has: it shows which rights to own objects are missing.
		"--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + cluster.PKI("service-account.pub"),
		"--service-account-signing-key-file=" + cluster.PKI("service-account.key"),
		"--service-cluster-ip-range=" + cluster.ServiceCIDR().String(),
		"--allow-privileged=true",
		"--requestheader-client-ca-file=" + cluster.PKI("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + frontProxyUser,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + cluster.PKI("front-proxy-client.crt"),
		"--proxy-client-key-file=" + cluster.PKI("front-proxy-client.key"),
	}
	if !cluster.ControlPlaneOnly {
		flags = append(flags,
			"--kubelet-client-certificate="+cluster.PKI("apiserver-kubelet-client.crt"),
			"--kubelet-client-key="+cluster.PKI("apiserver-kubelet-client.key"),
			"--kubelet-certificate-authority="+cluster.PKI("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP",
		)
	}
	if cluster.Audit {
		flags = append(flags,
			"--audit-policy-file="+cluster.Path("components", "audit-policy.yaml"),
			"--audit-log-path="+cluster.AuditLog(),
			// One file however long it grows: whoever counts requests reads it from the start.
			"--audit-log-maxsize=100000",
		)
	}
	if cluster.Unthrottled {
		flags = append(flags, "--enable-priority-and-fairness=false")
	}
	if cluster.FeatureGates != "" {
		flags = append(flags, "--feature-gates="+cluster.FeatureGates)
	}
	return flags
}

func controllerManagerFlags(cluster *state.Cluster) []string {
	kubeconfig := cluster.ComponentKubeconfig(ControllerManager)
	// Each controller fetches a token of its own at the start, which the default of 20 requests per
	// second stretches over seconds.
	limits := []string{"--kube-api-qps=500", "--kube-api-burst=1000"}
	if cluster.Unthrottled {
		limits = unthrottled
	}
	return append([]string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--cert-dir=" + cluster.Path("components", ControllerManager),
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + cluster.PKI("service-account.key"),
		"--root-ca-file=" + cluster.PKI("ca.crt"),
		"--cluster-signing-cert-file=" + cluster.PKI("ca.crt"),
		"--cluster-signing-key-file=" + cluster.PKI("ca.key"),
		"--flex-volume-plugin-dir=" + cluster.Path("components", "volume-plugins"),
	}, limits...)
}

func schedulerFlags(cluster *state.Cluster) []string {
	kubeconfig := cluster.ComponentKubeconfig(Scheduler)
	flags := []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--cert-dir=" + cluster.Path("components", Scheduler),
		"--leader-elect=false",
	}
	if cluster.Unthrottled {
		flags = append(flags, unthrottled...)
	}
	return flags
}

func kubeletFlags(cluster *state.Cluster) []string {
	return []string{
		"--config=" + cluster.Path("components", "kubelet.yaml"),
		"--kubeconfig=" + cluster.ComponentKubeconfig(Kubelet),
		"--hostname-override=" + state.NodeName,
		"--node-ip=" + cluster.NodeIP().String(),
	}
}

func proxyFlags(cluster *state.Cluster) []string {
	return []string{
		"--kubeconfig=" + cluster.ComponentKubeconfig(Proxy),
		"--hostname-override=" + state.NodeName,
		"--cluster-cidr=" + cluster.PodCIDR().String(),
		"--proxy-mode=iptables",
		// These limits belong to the whole machine and cannot be set from a network namespace.
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
	}
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
