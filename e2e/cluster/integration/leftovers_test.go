package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"devcluster/internal/state"
)

// iptables lists the machine's rules, without counters.
func iptables(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		output, err := exec.Command(program).Output()
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		for line := range strings.Lines(string(output)) {
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ":") {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}

// nothingLeft fails for everything on the machine that still belongs to a removed cluster: processes,
// mounts, links, routes, cgroups and files.
func nothingLeft(t *testing.T, cluster *state.Cluster) {
	t.Helper()
	for _, left := range [][]string{processes(t, cluster), mounts(t, cluster), links(t, cluster), routes(t, cluster), cgroups(t, cluster)} {
		for _, item := range left {
			t.Errorf("left after down: %s", item)
		}
	}
	for _, path := range []string{cluster.Dir(), cluster.LockPath()} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("left after down: %s (%v)", path, err)
		}
	}
}

// processes finds them by the cluster's directory or cgroup in their command line or cgroups.
func processes(t *testing.T, cluster *state.Cluster) []string {
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, directory := range directories {
		arguments, _ := os.ReadFile(filepath.Join(directory, "cmdline"))
		groups, _ := os.ReadFile(filepath.Join(directory, "cgroup"))
		command := strings.ReplaceAll(string(arguments), "\x00", " ")
		if strings.Contains(command, cluster.Dir()+"/") || strings.Contains(string(groups), "/"+cluster.Cgroup()+"/") {
			found = append(found, fmt.Sprintf("process %s %s", filepath.Base(directory), command))
		}
	}
	return found
}

func mounts(t *testing.T, cluster *state.Cluster) []string {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, cluster.Dir()) {
			found = append(found, "mount "+line)
		}
	}
	return found
}

func links(t *testing.T, cluster *state.Cluster) []string {
	list, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range list {
		if name := link.Attrs().Name; name == cluster.Link() || name == cluster.PeerLink() {
			found = append(found, "link "+name)
		}
	}
	return found
}

func routes(t *testing.T, cluster *state.Cluster) []string {
	list, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, route := range list {
		for _, network := range cluster.Networks() {
			if route.Dst != nil && route.Dst.String() == network.String() {
				found = append(found, "route "+route.String())
			}
		}
	}
	return found
}

func cgroups(t *testing.T, cluster *state.Cluster) []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		matches, err := filepath.Glob(pattern + cluster.Cgroup())
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	return found
}
