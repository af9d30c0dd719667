package lifecycle

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"devcluster/internal/state"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// fieldManager owns the fields of what is applied here.
const fieldManager = "devcluster"

// addons are the objects of every cluster with a node: DNS and the default StorageClass.
func addons(cluster *state.Cluster) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, name := range []string{"manifests/storage.yaml", "manifests/coredns.yaml"} {
		content, err := manifests.ReadFile(name)
		if err != nil {
			return nil, err
		}
		documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := documents.Decode(object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			objects = append(objects, object)
		}
	}
	service, err := runtime.DefaultUnstructuredConverter.ToUnstructured(dnsService(cluster))
	if err != nil {
		return nil, err
	}
	return append(objects, &unstructured.Unstructured{Object: service}), nil
}

// dnsService has an address that depends on the cluster.
func dnsService(cluster *state.Cluster) *core.Service {
	port := func(name string, protocol core.Protocol) core.ServicePort {
		return core.ServicePort{Name: name, Protocol: protocol, Port: 53, TargetPort: intstr.FromString(name)}
	}
	return &core.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{
			Name:      "kube-dns",
			Namespace: metav1.NamespaceSystem,
			Labels:    map[string]string{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"},
		},
		Spec: core.ServiceSpec{
			Selector:  map[string]string{"k8s-app": "kube-dns"},
			ClusterIP: cluster.DNSServiceIP().String(),
			Ports:     []core.ServicePort{port("dns", core.ProtocolUDP), port("dns-tcp", core.ProtocolTCP)},
		},
	}
}

// applyAddons brings the addons to their state in this binary.
func applyAddons(ctx context.Context, client dynamic.Interface, cluster *state.Cluster) error {
	objects, err := addons(cluster)
	if err != nil {
		return err
	}
	for _, object := range objects {
		// Good for the built-in kinds used here, whose plurals are regular.
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		var target dynamic.ResourceInterface = client.Resource(resource)
		if namespace := object.GetNamespace(); namespace != "" {
			target = client.Resource(resource).Namespace(namespace)
		}
		if _, err := target.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
