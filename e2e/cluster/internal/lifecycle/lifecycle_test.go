package lifecycle

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devcluster/internal/config"
	"devcluster/internal/state"
)

func newCluster(t *testing.T) *state.Cluster {
	t.Helper()
	cluster, err := state.New(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	cluster.Subnet = 3
	return cluster
}

func TestAddonsFitTheCluster(t *testing.T) {
	objects, err := addons(newCluster(t))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, object := range objects {
		kinds[object.GetKind()]++
		switch object.GetKind() {
		case "Service":
			if spec := object.Object["spec"].(map[string]any); spec["clusterIP"] != "10.204.12.10" {
				t.Errorf("the address of DNS is %v", spec["clusterIP"])
			}
		case "Deployment":
			content, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(content), config.CoreDNSImage) {
				t.Errorf("the DNS deployment does not use the image %s that is loaded for it", config.CoreDNSImage)
			}
		}
	}
	for _, kind := range []string{"Deployment", "Service", "ConfigMap", "StorageClass"} {
		if kinds[kind] != 1 {
			t.Errorf("%d objects of kind %s", kinds[kind], kind)
		}
	}
}

func TestFailedChecks(t *testing.T) {
	body := "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n"
	if got := failedChecks(body); got != "etcd, poststarthook/rbac/bootstrap-roles" {
		t.Errorf("got %q", got)
	}
	if got := failedChecks("forbidden"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := lastLine(path); got != "no log" {
		t.Errorf("missing: %q", got)
	}
	for content, want := range map[string]string{
		"":                                   "its log is empty",
		"one\ntwo\n\n":                       `it last logged "two"`,
		strings.Repeat("x", 9000) + "\nlast": `it last logged "last"`,
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := lastLine(path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLockExcludesAndIsFreedWithItsFile(t *testing.T) {
	cluster := newCluster(t)
	told := 0
	say := func(string, ...any) { told++ }
	held, err := acquire(t.Context(), cluster, say)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := acquire(short, cluster, say); err == nil || told != 1 {
		t.Fatalf("a held lock was acquired (%v), or the wait was told %d times", err, told)
	}
	waiting := make(chan error)
	go func() {
		next, err := acquire(t.Context(), cluster, func(string, ...any) {})
		if err == nil {
			err = next.releaseAndRemove()
		}
		waiting <- err
	}()
	if err := held.releaseAndRemove(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if exists(cluster.LockPath()) {
		t.Error("the lock file is still there")
	}
}

func TestOtherClustersKeepTheirSubnets(t *testing.T) {
	cluster := newCluster(t)
	other, err := state.New(cluster.Home(), "other")
	if err != nil {
		t.Fatal(err)
	}
	other.Subnet = 9
	for _, each := range []*state.Cluster{cluster, other} {
		if err := each.Save(); err != nil {
			t.Fatal(err)
		}
	}
	// A directory without a record is what a crash right after its creation leaves.
	if err := os.MkdirAll(filepath.Join(cluster.Home(), "clusters", "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	taken, err := takenSubnets(cluster)
	if err != nil || len(taken) != 1 || !taken[9] {
		t.Errorf("taken: %v, %v", taken, err)
	}
}
