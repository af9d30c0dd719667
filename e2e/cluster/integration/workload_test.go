package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"devcluster/internal/state"
)

const (
	namespace  = metav1.NamespaceDefault
	probeImage = "localhost/devcluster/probe:test"
	replicas   = 2
)

func newClient(t *testing.T, cluster *state.Cluster) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout = 10 * time.Second
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// loadProbe builds the probe, makes an image of it and loads it twice: the second time is a no-op.
func loadProbe(t *testing.T, name string) {
	t.Helper()
	directory := t.TempDir()
	program, archive := filepath.Join(directory, "probe"), filepath.Join(directory, "probe.tar")
	build := exec.Command("go", "build", "-o", program, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, output)
	}
	mustRun(t, "image", "--reference", probeImage, "--program", program, "--output", archive)
	mustRun(t, "load", "--name", name, archive)
	started := time.Now()
	mustRun(t, "load", "--name", name, archive)
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("loading an image that is there took %s", took)
	}
}

// deployWeb runs pods that, as an unprivileged user, write to a claimed volume and serve it.
func deployWeb(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	ctx := t.Context()
	claim := &core.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: core.PersistentVolumeClaimSpec{
			AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteMany},
			Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if _, err := client.CoreV1().PersistentVolumeClaims(namespace).Create(ctx, claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"app": "web"}
	count, user, yes, no := int32(replicas), int64(65532), true, false
	deployment := &apps.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: apps.DeploymentSpec{
			Replicas: &count,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: core.PodSpec{
					SecurityContext: &core.PodSecurityContext{
						RunAsUser: &user, RunAsGroup: &user, RunAsNonRoot: &yes,
						SeccompProfile: &core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []core.Container{{
						Name:  "web",
						Image: probeImage,
						Args:  []string{"serve", "/data"},
						SecurityContext: &core.SecurityContext{
							AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
							Capabilities: &core.Capabilities{Drop: []core.Capability{"ALL"}},
						},
						ReadinessProbe: &core.Probe{
							ProbeHandler:   core.ProbeHandler{HTTPGet: &core.HTTPGetAction{Path: "/written", Port: intstr.FromInt32(8080)}},
							PeriodSeconds:  1,
							TimeoutSeconds: 5,
						},
						VolumeMounts: []core.VolumeMount{{Name: "data", MountPath: "/data"}},
					}},
					Volumes: []core.Volume{{Name: "data", VolumeSource: core.VolumeSource{
						PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: "web"},
					}}},
				},
			},
		},
	}
	if _, err := client.AppsV1().Deployments(namespace).Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &core.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       core.ServiceSpec{Selector: labels, Ports: []core.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}
	if _, err := client.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, func() error { return available(ctx, client) })
}

// available says whether the web pods serve.
func available(ctx context.Context, client kubernetes.Interface) error {
	deployment, err := client.AppsV1().Deployments(namespace).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if status := deployment.Status; status.ObservedGeneration < deployment.Generation || status.AvailableReplicas != replicas || status.UpdatedReplicas != replicas {
		return fmt.Errorf("%d of %d web pods are available", status.AvailableReplicas, replicas)
	}
	return nil
}

func webPods(t *testing.T, client kubernetes.Interface) []core.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// kubectl runs the client that is part of devcluster.
func kubectl(ctx context.Context, cluster *state.Cluster, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(programs, "devcluster"), append([]string{"kubectl"}, arguments...)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig())
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func newNamespace(name string) *core.Namespace {
	return &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}
