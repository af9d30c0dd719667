package config

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"devcluster/internal/state"
)

// EtcdAddress is where etcd serves its one client, the API server. It is on the loopback of the
// cluster's own network namespace.
const EtcdAddress = "127.0.0.1:2379"

// EtcdPeerAddress is where etcd would serve other members.
const EtcdPeerAddress = "127.0.0.1:2380"

// PauseImage is the image of the container that holds a pod's namespaces.
const PauseImage = "localhost/devcluster/pause:1"

// CoreDNSImage is the image of the cluster's DNS.
const CoreDNSImage = "localhost/devcluster/coredns:1"

// WriteFiles renders the configuration files of a cluster's components. cniPlugins is the
// directory of the CNI plugins on this machine.
func WriteFiles(cluster *state.Cluster, cniPlugins string) error {
	files := map[string][]byte{}
	if cluster.Audit {
		files["components/audit-policy.yaml"] = []byte(auditPolicy)
	}
	if !cluster.ControlPlaneOnly {
		kubelet, err := yaml.Marshal(kubeletConfiguration(cluster))
		if err != nil {
			return fmt.Errorf("configuration of the kubelet: %w", err)
		}
		files["components/kubelet.yaml"] = kubelet
		files["components/containerd.toml"] = containerdConfiguration(cluster, cniPlugins)
		files["cni/10-pods.conflist"] = podNetwork(cluster)
	}
	for name, content := range files {
		if err := writeFile(cluster.Path(name), content); err != nil {
			return err
		}
	}
	return nil
}

// auditPolicy records who did what to which object, once per request, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func kubeletConfiguration(cluster *state.Cluster) *kubelet.KubeletConfiguration {
	yes, no, none, all := true, false, "", int32(100)
	return &kubelet.KubeletConfiguration{
		TypeMeta:                 metav1.TypeMeta{APIVersion: kubelet.SchemeGroupVersion.String(), Kind: "KubeletConfiguration"},
		ContainerRuntimeEndpoint: "unix://" + ContainerdSocket,
		CgroupDriver:             "cgroupfs",
		CgroupRoot:               "/" + cluster.Cgroup(),
		FailCgroupV1:             &no,
		FailSwapOn:               &no,
		Authentication: kubelet.KubeletAuthentication{
			Anonymous: kubelet.KubeletAnonymousAuthentication{Enabled: &no},
			Webhook:   kubelet.KubeletWebhookAuthentication{Enabled: &yes},
			X509:      kubelet.KubeletX509Authentication{ClientCAFile: cluster.PKI("ca.crt")},
		},
		Authorization:     kubelet.KubeletAuthorization{Mode: kubelet.KubeletAuthorizationModeWebhook},
		TLSCertFile:       cluster.PKI("kubelet.crt"),
		TLSPrivateKeyFile: cluster.PKI("kubelet.key"),
		ClusterDomain:     "cluster.local",
		ClusterDNS:        []string{cluster.DNSServiceIP().String()},
		// The host's resolver cannot be reached from the cluster's network.
		ResolverConfig:         &none,
		EnforceNodeAllocatable: []string{"pods"},
		EvictionHard: map[string]string{
			"memory.available":  "100Mi",
			"nodefs.available":  "1%",
			"nodefs.inodesFree": "1%",
			"imagefs.available": "1%",
		},
		// 100 switches image collection off: loaded images could not be pulled again.
		ImageGCHighThresholdPercent:   &all,
		LocalStorageCapacityIsolation: &yes,
		VolumePluginDir:               cluster.Path("components", "volume-plugins"),
	}
}

// containerdConfiguration keeps everything of containerd inside the cluster's directory and its
// own /run. restrict_oom_score_adj is for machines without CAP_SYS_RESOURCE, where a sandbox would
// otherwise not start.
func containerdConfiguration(cluster *state.Cluster, cniPlugins string) []byte {
	return fmt.Appendf(nil, `version = 2
root = %[1]q
state = "/run/containerd"

[grpc]
  address = %[2]q

[ttrpc]
  address = "%[3]s.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = %[4]q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[5]q
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %[6]q
  conf_dir = %[7]q
`, cluster.Path("containerd"), ContainerdSocket, ContainerdSocket, cluster.Path("containerd-opt"), PauseImage, cniPlugins, cluster.Path("cni"))
}

// podNetwork routes every pod through a link of its own. With no bridge between pods their traffic
// always passes the node's iptables, on which service addresses depend, whatever modules the
// kernel has loaded.
func podNetwork(cluster *state.Cluster) []byte {
	return fmt.Appendf(nil, `{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, cluster.PodCIDR())
}
