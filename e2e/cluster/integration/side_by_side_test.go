package integration

import (
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devcluster/internal/state"
)

// TestSideBySide brings three clusters up at once; they get subnets of their own and know nothing of
// each other.
func TestSideBySide(t *testing.T) {
	flags := map[string][]string{"one": nil, "two": nil, "plane": {"--control-plane-only"}}
	var group sync.WaitGroup
	clusters := map[string]*state.Cluster{}
	var mu sync.Mutex
	for name, flags := range flags {
		group.Go(func() {
			cluster := up(t, name, flags...)
			mu.Lock()
			defer mu.Unlock()
			clusters[name] = cluster
		})
	}
	group.Wait()
	if len(clusters) != len(flags) {
		t.FailNow()
	}
	subnets := map[int]bool{}
	for name, cluster := range clusters {
		subnets[cluster.Subnet] = true
		client := newClient(t, cluster)
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), newNamespace("only-in-"+name), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		namespaces, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range namespaces.Items {
			if rest, found := strings.CutPrefix(other.Name, "only-in-"); found && rest != name {
				t.Errorf("cluster %s has the namespace of cluster %s", name, rest)
			}
		}
	}
	if len(subnets) != len(clusters) {
		t.Errorf("clusters share subnets: %v", subnets)
	}
	output := mustRun(t, "status")
	for name := range clusters {
		if !strings.Contains(output, name) {
			t.Errorf("status does not list %s:\n%s", name, output)
		}
	}
	mustRun(t, "down", "--all")
	for _, cluster := range clusters {
		nothingLeft(t, cluster)
	}
}
