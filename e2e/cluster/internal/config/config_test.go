package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"devcluster/internal/state"
)

func newCluster(t *testing.T, change func(*state.Cluster)) *state.Cluster {
	t.Helper()
	cluster, err := state.New(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	cluster.Subnet = 3
	change(cluster)
	return cluster
}

func node(*state.Cluster)        {}
func planeOnly(c *state.Cluster) { c.ControlPlaneOnly = true }
func withAudit(c *state.Cluster) { c.Audit = true }
func unlimited(c *state.Cluster) { c.Unthrottled = true }
func names(list []Component) []string {
	var names []string
	for _, component := range list {
		names = append(names, component.Name)
	}
	return names
}

func TestControlPlaneOnlyHasNoNode(t *testing.T) {
	got := names(Components(newCluster(t, planeOnly)))
	if want := []string{Etcd, APIServer, ControllerManager, Scheduler}; !slices.Equal(got, want) {
		t.Errorf("components %v, want %v", got, want)
	}
	all := names(Components(newCluster(t, node)))
	for _, name := range []string{Containerd, Kubelet, Proxy, Provisioner} {
		if !slices.Contains(all, name) {
			t.Errorf("a cluster with a node lacks %s: %v", name, all)
		}
	}
}

// Every file that a command line names must be one that is written before.
func TestCommandLinesNameFilesThatAreWritten(t *testing.T) {
	for _, change := range []func(*state.Cluster){node, planeOnly, withAudit} {
		cluster := newCluster(t, change)
		if err := WriteIdentities(cluster); err != nil {
			t.Fatal(err)
		}
		if err := WriteFiles(cluster, "/usr/lib/cni"); err != nil {
			t.Fatal(err)
		}
		// Made by the components themselves.
		own := []string{"--data-dir", "--cert-dir", "--flex-volume-plugin-dir", "--audit-log-path", "--volumes"}
		for _, component := range Components(cluster) {
			for _, argument := range component.Command[1:] {
				flag, value, _ := strings.Cut(argument, "=")
				if !strings.HasPrefix(value, cluster.Dir()) || slices.Contains(own, flag) {
					continue
				}
				if _, err := os.Stat(value); err != nil {
					t.Errorf("%s %s: %v", component.Name, flag, err)
				}
			}
		}
	}
}

func TestAuditOnlyOnRequest(t *testing.T) {
	for _, test := range []struct {
		change func(*state.Cluster)
		want   bool
	}{{node, false}, {withAudit, true}} {
		cluster := newCluster(t, test.change)
		got := slices.Contains(apiServerFlags(cluster), "--audit-log-path="+cluster.AuditLog())
		if got != test.want {
			t.Errorf("audit %t: audit log %t", cluster.Audit, got)
		}
	}
}

func TestLimitsGoOnlyOnRequest(t *testing.T) {
	for _, test := range []struct {
		change func(*state.Cluster)
		want   bool
	}{{node, false}, {unlimited, true}} {
		cluster := newCluster(t, test.change)
		for component, flags := range map[string][]string{
			APIServer:         apiServerFlags(cluster),
			ControllerManager: controllerManagerFlags(cluster),
			Scheduler:         schedulerFlags(cluster),
		} {
			got := slices.Contains(flags, "--enable-priority-and-fairness=false") || slices.Contains(flags, "--kube-api-qps=5000")
			if got != test.want {
				t.Errorf("unthrottled %t: %s %v", cluster.Unthrottled, component, flags)
			}
		}
	}
}

func TestEveryIdentityIsAnotherUser(t *testing.T) {
	cluster := newCluster(t, node)
	if err := WriteIdentities(cluster); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range []string{
		cluster.Kubeconfig(),
		cluster.ComponentKubeconfig(ControllerManager),
		cluster.ComponentKubeconfig(Scheduler),
		cluster.ComponentKubeconfig(Kubelet),
		cluster.ComponentKubeconfig(Proxy),
		cluster.ComponentKubeconfig(Provisioner),
	} {
		kubeconfig, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		context := kubeconfig.Contexts[kubeconfig.CurrentContext]
		if seen[context.AuthInfo] {
			t.Errorf("%s: user %s is taken", path, context.AuthInfo)
		}
		seen[context.AuthInfo] = true
		if server := kubeconfig.Clusters[context.Cluster].Server; server != "https://10.200.3.2:6443" {
			t.Errorf("%s: server %s", path, server)
		}
	}
}

func TestKubeletConfigurationSurvivesYAML(t *testing.T) {
	cluster := newCluster(t, node)
	if err := WriteFiles(cluster, "/usr/lib/cni"); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(cluster.Path("components", "kubelet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var configuration kubelet.KubeletConfiguration
	if err := yaml.UnmarshalStrict(content, &configuration); err != nil {
		t.Fatal(err)
	}
	if configuration.CgroupRoot != "/millwright-3" || configuration.ClusterDNS[0] != "10.204.12.10" {
		t.Errorf("cgroup root %s, DNS %v", configuration.CgroupRoot, configuration.ClusterDNS)
	}
	if configuration.ResolverConfig == nil || *configuration.ResolverConfig != "" {
		t.Error("the kubelet would hand the host's resolver to pods")
	}
}

func TestContainerdStaysInItsDirectory(t *testing.T) {
	cluster := newCluster(t, node)
	content := string(containerdConfiguration(cluster, "/opt/cni/bin"))
	for _, want := range []string{
		`root = "` + cluster.Path("containerd") + `"`,
		`sandbox_image = "` + PauseImage + `"`,
		`bin_dir = "/opt/cni/bin"`,
		`address = "/run/containerd/containerd.sock.ttrpc"`,
	} {
		if !strings.Contains(content, want) {
			t.Errorf("%q is missing in\n%s", want, content)
		}
	}
}
