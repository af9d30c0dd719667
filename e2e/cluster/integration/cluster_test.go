package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"devcluster/internal/config"
	"devcluster/internal/state"
	"devcluster/internal/supervisor"
)

// TestNode takes one cluster through its life: workload, faults, removal.
func TestNode(t *testing.T) {
	rules := iptables(t)
	cluster := up(t, "node", "--audit")
	client := newClient(t, cluster)

	t.Run("up again is a no-op", func(t *testing.T) {
		started := time.Now()
		mustRun(t, "up", "--name", "node", "--audit")
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
	t.Run("up with other options is refused", func(t *testing.T) {
		_, err := devcluster(t.Context(), "up", "--name", "node", "--control-plane-only")
		if err == nil || !strings.Contains(err.Error(), "devcluster down --name node") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("versions", func(t *testing.T) {
		version, err := client.Discovery().ServerVersion()
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if kubelet := nodes.Items[0].Status.NodeInfo.KubeletVersion; kubelet != version.GitVersion || !strings.HasPrefix(kubelet, "v1.") {
			t.Errorf("kubelet %s, API server %s", kubelet, version.GitVersion)
		}
	})

	loadProbe(t, "node")
	deployWeb(t, client)

	t.Run("an unprivileged pod writes to its claim", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(cluster.Volumes(), "*", "written"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %v, %v", files, err)
		}
		if content, err := os.ReadFile(files[0]); err != nil || string(content) != "by user 65532\n" {
			t.Errorf("content %q, %v", content, err)
		}
	})
	t.Run("pods reach services by name, and exec and logs work", func(t *testing.T) {
		for _, url := range []string{"http://web/written", "http://web.default.svc.cluster.local/written"} {
			// kube-proxy learns of pods that are available up to a second later.
			eventually(t, 20*time.Second, func() error {
				output, err := kubectl(t.Context(), cluster, "exec", "deploy/web", "--", "/probe", "get", url)
				if err != nil {
					return err
				}
				if !strings.Contains(output, "200 OK") {
					return fmt.Errorf("%s: %q", url, output)
				}
				return nil
			})
		}
		output, err := kubectl(t.Context(), cluster, "logs", "deploy/web")
		if err != nil || !strings.Contains(output, "serving /data") {
			t.Errorf("logs: %q, %v", output, err)
		}
	})
	t.Run("the host reaches services and pods", func(t *testing.T) {
		service, err := client.CoreV1().Services(namespace).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		urls := []string{"http://" + service.Spec.ClusterIP + "/written"}
		for _, pod := range webPods(t, client) {
			urls = append(urls, "http://"+pod.Status.PodIP+":8080/written")
		}
		for _, url := range urls {
			if body, err := get(t.Context(), url); err != nil || body != "by user 65532\n" {
				t.Errorf("%s: %q, %v", url, body, err)
			}
		}
	})
	t.Run("every component recovers from SIGKILL", func(t *testing.T) { testRecovery(t, cluster, client) })
	t.Run("a component can be held down", func(t *testing.T) { testHold(t, cluster, client) })
	t.Run("the audit log tells users apart", func(t *testing.T) {
		content, err := os.ReadFile(cluster.AuditLog())
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"admin", "system:node:node-1", "system:kube-scheduler", config.ProvisionerUser} {
			if !strings.Contains(string(content), fmt.Sprintf(`"user":{"username":%q`, user)) {
				t.Errorf("no request of %s", user)
			}
		}
	})
	t.Run("a deleted claim takes its data along", func(t *testing.T) {
		if err := client.AppsV1().Deployments(namespace).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := client.CoreV1().PersistentVolumeClaims(namespace).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, 90*time.Second, func() error {
			if left, err := os.ReadDir(cluster.Volumes()); err != nil || len(left) > 0 {
				return fmt.Errorf("volumes left: %v, %v", left, err)
			}
			return nil
		})
	})

	mustRun(t, "down", "--name", "node")
	nothingLeft(t, cluster)
	if after := iptables(t); after != rules {
		t.Errorf("iptables rules were\n%s\nand are\n%s", rules, after)
	}
	mustRun(t, "down", "--name", "node")
}

// testRecovery kills every component once. Each must come back and do its work, and no pod restart.
func testRecovery(t *testing.T, cluster *state.Cluster, client kubernetes.Interface) {
	supervised := supervisor.NewClient(cluster)
	before, err := supervised.Components(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range before {
		mustRun(t, "signal", "--name", cluster.Name, "--component", component.Name, "KILL")
		eventually(t, 60*time.Second, func() error {
			after, err := supervised.Components(t.Context())
			if err != nil {
				return err
			}
			for _, status := range after {
				if status.Name == component.Name && (status.State != supervisor.Running || status.Restarts == 0) {
					return fmt.Errorf("%+v", status)
				}
			}
			return nil
		})
		mustRun(t, "up", "--name", cluster.Name)
	}
	// A pod is only replaced when API server, etcd, controllers, scheduler, kubelet, containerd all work.
	pods := webPods(t, client)
	if err := client.CoreV1().Pods(namespace).Delete(t.Context(), pods[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, func() error {
		list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		if err != nil {
			return err
		}
		for _, pod := range list.Items {
			if pod.Name == pods[0].Name {
				return fmt.Errorf("pod %s is still there", pod.Name)
			}
		}
		return available(t.Context(), client)
	})
	for _, pod := range webPods(t, client) {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount > 0 {
				t.Errorf("container of pod %s was restarted %d times", pod.Name, status.RestartCount)
			}
		}
	}
}

// testHold takes the API server away for a while; pods keep serving.
func testHold(t *testing.T, cluster *state.Cluster, client kubernetes.Interface) {
	url := "http://" + webPods(t, client)[0].Status.PodIP + ":8080/written"
	mustRun(t, "stop-component", "--name", cluster.Name, "--component", config.APIServer)
	if _, err := client.Discovery().ServerVersion(); err == nil {
		t.Error("the API server answers while it is held down")
	}
	if _, err := get(t.Context(), url); err != nil {
		t.Errorf("a pod without API server: %v", err)
	}
	mustRun(t, "start-component", "--name", cluster.Name, "--component", config.APIServer)
	mustRun(t, "up", "--name", cluster.Name)
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
