package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"devcluster/internal/host"
	"devcluster/internal/state"
	"devcluster/internal/supervisor"
)

// clients for the API server, as its administrator.
type clients struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface

	apiServiceIP netip.Addr
}

func newClients(cluster *state.Cluster) (*clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig())
	if err != nil {
		return nil, err
	}
	// A request must not outlast the pause between two looks by much.
	config.Timeout = 5 * time.Second
	config.QPS = -1
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &clients{typed: typed, dynamic: untyped, apiServiceIP: cluster.APIServiceIP()}, nil
}

// check is something that has to become true; it says why it is not yet.
type check func(ctx context.Context) error

// apiServerReady: /readyz says so.
func (c *clients) apiServerReady(ctx context.Context) error {
	body, err := c.typed.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err == nil {
		return nil
	}
	if failed := failedChecks(string(body)); failed != "" {
		return fmt.Errorf("the API server is not ready, it waits for %s", failed)
	}
	return fmt.Errorf("the API server is not ready: %w", err)
}

// failedChecks names those of the API server's own checks that fail, out of what /readyz answers.
func failedChecks(body string) string {
	var failed []string
	for line := range strings.Lines(body) {
		if rest, found := strings.CutPrefix(line, "[-]"); found {
			name, _, _ := strings.Cut(rest, " ")
			failed = append(failed, name)
		}
	}
	return strings.Join(failed, ", ")
}

// controllersWork: the controller manager has made the service account without which no pod can be.
func (c *clients) controllersWork(ctx context.Context) error {
	_, err := c.typed.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("the controller manager does not work yet: %w", err)
	}
	return nil
}

// nodeReady: the kubelet says so.
func (c *clients) nodeReady(ctx context.Context) error {
	node, err := c.typed.CoreV1().Nodes().Get(ctx, state.NodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("the kubelet has not registered its node: %w", err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == core.NodeReady && condition.Status == core.ConditionTrue {
			return nil
		}
		if condition.Type == core.NodeReady {
			err = fmt.Errorf("node %s is not Ready: %s", node.Name, condition.Message)
		}
	}
	return err
}

// servicesReachable: kube-proxy has made the addresses of Services work. A pod that connects earlier
// is sent the wrong way for as long as it tries.
func (c *clients) servicesReachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(c.apiServiceIP.String(), "443"))
	if err != nil {
		return fmt.Errorf("the address of the Service default/kubernetes does not work: %w", err)
	}
	return connection.Close()
}

// rolledOut: the DNS Deployment, as it is now, is wholly available. That takes every component.
func (c *clients) rolledOut(ctx context.Context) error {
	deployment, err := c.typed.AppsV1().Deployments(metav1.NamespaceSystem).Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("deployment kube-system/coredns: %w", err)
	}
	status := deployment.Status
	want := *deployment.Spec.Replicas
	if status.ObservedGeneration < deployment.Generation || status.UpdatedReplicas < want || status.AvailableReplicas < want || status.Replicas != want {
		return fmt.Errorf("deployment kube-system/coredns has %d of %d pods available%s", status.AvailableReplicas, want, c.whyPodsWait(ctx))
	}
	return nil
}

// whyPodsWait gathers what the pods of the DNS Deployment say about themselves.
func (c *clients) whyPodsWait(ctx context.Context) string {
	pods, err := c.typed.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		return ""
	}
	var reasons []string
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Status == core.ConditionFalse && condition.Message != "" {
				reasons = append(reasons, condition.Message)
			}
		}
		for _, container := range pod.Status.ContainerStatuses {
			if waiting := container.State.Waiting; waiting != nil {
				reasons = append(reasons, strings.TrimSpace(waiting.Reason+" "+waiting.Message))
			}
		}
	}
	slices.Sort(reasons)
	if reasons = slices.Compact(reasons); len(reasons) == 0 {
		return ""
	}
	return ": " + strings.Join(reasons, "; ")
}

// await looks until the check holds. It gives up at once when the supervisor has died, and when ctx
// ends says what was still missing.
func await(ctx context.Context, cluster *state.Cluster, holds check) error {
	var missing error
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		// A check that was cut short knows less than the one before.
		if missing == nil || ctx.Err() == nil {
			missing = err
		}
		if pids, err := host.FindSupervisors(cluster); err == nil && len(pids) == 0 {
			path := cluster.Log(host.SuperviseCommand)
			return fmt.Errorf("the supervisor has ended, %s; see %s", lastLine(path), path)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return missing
		}
	}
}

// troubledComponents names the components that do not run or had to be restarted, with the last line
// of each one's log.
func troubledComponents(cluster *state.Cluster) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	statuses, err := supervisor.NewClient(cluster).Components(ctx)
	if err != nil {
		return "; the logs are in " + cluster.Path("log")
	}
	var report strings.Builder
	for _, status := range statuses {
		switch path := cluster.Log(status.Name); {
		case status.State == supervisor.Waiting:
			fmt.Fprintf(&report, "\n  %s waits %s", status.Name, status.Detail)
		case status.State != supervisor.Running || status.Restarts > 0:
			fmt.Fprintf(&report, "\n  %s is %s after %d restarts, it %s; %s; see %s", status.Name, status.State, status.Restarts, status.Detail, lastLine(path), path)
		}
	}
	if report.Len() == 0 {
		return "; all components run, their logs are in " + cluster.Path("log")
	}
	return report.String()
}
