// Package helmtool builds Helm, and renders the chart with every combination of the values that change
// what is rendered: some things must hold whatever the values are.
package helmtool

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	chartPath = "../../../charts/millwright"
	release   = "millwright"
	namespace = "millwright-system"
)

// What decides which objects are rendered. Each is a bit of a combination.
const (
	withCRDs = 1 << iota
	inNamespaces
	withAggregate
	withService
	withServiceMonitor
	withPodMonitor
	withNetworkPolicy
	withGateways
	withReplicas
	withBudget
	withExtras
	combinations
)

var watched, gateways = []any{"a", "b"}, []any{"c"}

// values of a combination, and the number of objects of each kind that they should make.
func values(combination int) (map[string]any, map[string]int) {
	has := func(bit int) bool { return combination&bit != 0 }
	count := func(bit, kinds int) int {
		if has(bit) {
			return kinds
		}
		return 0
	}
	replicas := 1
	if has(withReplicas) {
		replicas = 2
	}
	set := map[string]any{
		"crds":                map[string]any{"install": has(withCRDs)},
		"rbac":                map[string]any{"aggregate": has(withAggregate)},
		"replicas":            replicas,
		"podDisruptionBudget": map[string]any{"enabled": has(withBudget)},
		"metrics": map[string]any{
			"service":        has(withService),
			"serviceMonitor": map[string]any{"enabled": has(withServiceMonitor)},
			"podMonitor":     map[string]any{"enabled": has(withPodMonitor)},
		},
	}
	policy := map[string]any{"enabled": has(withNetworkPolicy)}
	if has(withGateways) {
		policy["gatewayNamespaces"] = gateways
	}
	set["networkPolicy"] = policy
	kinds := map[string]int{
		"CustomResourceDefinition": count(withCRDs, 6),
		"Deployment":               1,
		"ServiceAccount":           1,
		"Service":                  count(withService, 1),
		"ServiceMonitor":           count(withServiceMonitor, 1),
		"PodMonitor":               count(withPodMonitor, 1),
		"NetworkPolicy":            count(withNetworkPolicy, 1) + count(withGateways, len(gateways)),
		"ClusterRole":              1 + count(withAggregate, 2),
		"ClusterRoleBinding":       1,
		"Role":                     1,
		"RoleBinding":              1,
	}
	if has(inNamespaces) {
		set["watchNamespaces"] = watched
		kinds["ClusterRole"]--
		kinds["ClusterRoleBinding"]--
		kinds["Role"] += len(watched)
		kinds["RoleBinding"] += len(watched)
	}
	if has(withReplicas) && has(withBudget) {
		kinds["PodDisruptionBudget"] = 1
	}
	if has(withExtras) {
		maps.Copy(set, extras())
	}
	maps.DeleteFunc(kinds, func(_ string, count int) bool { return count == 0 })
	return set, kinds
}

// Values that change objects, but not which there are.
func extras() map[string]any {
	image := map[string]any{
		"repository": "registry.example.com:5000/millwright/operator",
		"digest":     "sha256:" + strings.Repeat("0", 64),
	}
	return map[string]any{
		"image":             image,
		"agent":             map[string]any{"image": image},
		"imagePullSecrets":  []any{map[string]any{"name": "registry"}},
		"artifacts":         map[string]any{"storageClass": "fast", "accessMode": "ReadWriteMany"},
		"serviceAccount":    map[string]any{"name": "robot", "annotations": map[string]any{"a": "b"}},
		"podAnnotations":    map[string]any{"kubectl.kubernetes.io/default-container": "a"},
		"podLabels":         map[string]any{"example.com/a": "b", "app.kubernetes.io/name": "other"},
		"nodeSelector":      map[string]any{"kubernetes.io/os": "linux"},
		"tolerations":       []any{map[string]any{"operator": "Exists"}},
		"affinity":          map[string]any{"nodeAffinity": map[string]any{}},
		"priorityClassName": "system-cluster-critical",
		"topologySpreadConstraints": []any{map[string]any{
			"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
		}},
	}
}

type object = map[string]any

func TestEveryCombinationOfValues(t *testing.T) {
	loaded, err := loader.Load(chartPath)
	if err != nil {
		t.Fatal(err)
	}
	workers := runtime.GOMAXPROCS(0)
	var done sync.WaitGroup
	for worker := range workers {
		done.Go(func() {
			for combination := worker; combination < combinations && !t.Failed(); combination += workers {
				if err := check(loaded, combination); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
}

func check(loaded *chart.Chart, combination int) error {
	set, kinds := values(combination)
	objects, err := render(loaded, set)
	refused := combination&withServiceMonitor != 0 && combination&withService == 0
	switch {
	case refused && err == nil:
		return fmt.Errorf("%v should be refused", set)
	case refused && !strings.Contains(err.Error(), "set metrics.service to true"):
		return fmt.Errorf("%v: the refusal doesn't say what to do: %w", set, err)
	case refused:
		return nil
	case err != nil:
		return fmt.Errorf("%v: %w", set, err)
	}
	found := map[string]int{}
	for _, each := range objects {
		found[each["kind"].(string)]++
	}
	if !maps.Equal(found, kinds) {
		return fmt.Errorf("%v renders %v instead of %v", set, found, kinds)
	}
	if wrong := problems(objects); len(wrong) > 0 {
		return fmt.Errorf("%v:\n%s", set, strings.Join(wrong, "\n"))
	}
	return nil
}

// render is what `helm template` does, the check of the schema included.
func render(loaded *chart.Chart, set map[string]any) ([]object, error) {
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(loaded, set, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return nil, err
	}
	var objects []object
	for name, text := range files {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		for _, document := range strings.Split("\n"+text, "\n---") {
			made, err := decode(document)
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", name, err, document)
			}
			if len(made) > 0 {
				objects = append(objects, made)
			}
		}
	}
	return objects, nil
}

// Most documents are the same in many combinations.
var decoded sync.Map

func decode(document string) (object, error) {
	if known, found := decoded.Load(document); found {
		return known.(object), nil
	}
	var made object
	if err := yaml.UnmarshalStrict([]byte(document), &made); err != nil {
		return nil, err
	}
	decoded.Store(document, made)
	return made, nil
}

var (
	clusterKinds = []string{"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
	// Nothing of these may ever be granted.
	forbidden = []string{
		"*", "secrets", "pods/log", "pods/exec", "pods/attach", "pods/portforward", "nodes", "configmaps",
		"serviceaccounts/token", "impersonate", "escalate", "bind",
	}
)

// problems are what must not be, whatever the values are.
func problems(objects []object) []string {
	var found []string
	report := func(format string, arguments ...any) {
		found = append(found, fmt.Sprintf(format, arguments...))
	}
	names := map[string]bool{}
	account := ""
	for _, each := range objects {
		if each["kind"] == "ServiceAccount" {
			account = text(each, "metadata", "name")
		}
	}
	for _, each := range objects {
		kind, place := each["kind"].(string), text(each, "metadata", "namespace")
		name := kind + " " + place + "/" + text(each, "metadata", "name")
		if names[name] {
			report("%s is rendered twice", name)
		}
		names[name] = true
		if slices.Contains(clusterKinds, kind) != (place == "") {
			report("%s is in the namespace %q", name, place)
		}
		switch kind {
		case "Role", "ClusterRole":
			for _, problem := range wrongRules(each["rules"].([]any)) {
				report("%s grants %s", name, problem)
			}
		case "RoleBinding", "ClusterRoleBinding":
			subject := each["subjects"].([]any)[0].(object)
			if subject["name"] != account || subject["namespace"] != namespace {
				report("%s is for %v instead of %s", name, subject, account)
			}
			if role := text(each, "roleRef", "kind") + "Binding"; role != kind {
				report("%s is of a %s", name, text(each, "roleRef", "kind"))
			}
		case "Deployment":
			for _, problem := range wrongPod(each, account) {
				report("%s: %s", name, problem)
			}
		case "CustomResourceDefinition":
			if text(each, "metadata", "annotations", "helm.sh/resource-policy") != "keep" {
				report("%s goes when the release is uninstalled", name)
			}
		}
	}
	return found
}

func wrongRules(rules []any) []string {
	var found []string
	for _, rule := range rules {
		for _, list := range rule.(object) {
			for _, item := range list.([]any) {
				if slices.Contains(forbidden, item.(string)) {
					found = append(found, item.(string))
				}
			}
		}
	}
	return found
}

// wrongPod holds the pod against the Pod Security Standard "restricted", and a read-only root.
func wrongPod(deployment object, account string) []string {
	var found []string
	expect := func(expected any, path ...string) {
		if value := at(deployment, path...); value != expected {
			found = append(found, fmt.Sprintf("%s is %v instead of %v", strings.Join(path, "."), value, expected))
		}
	}
	pod := []string{"spec", "template", "spec"}
	expect(account, append(pod, "serviceAccountName")...)
	expect(true, append(pod, "securityContext", "runAsNonRoot")...)
	expect("RuntimeDefault", append(pod, "securityContext", "seccompProfile", "type")...)
	for _, item := range at(deployment, append(pod, "containers")...).([]any) {
		container := item.(object)
		context := container["securityContext"].(object)
		dropped := at(context, "capabilities", "drop").([]any)
		if context["allowPrivilegeEscalation"] != false || context["readOnlyRootFilesystem"] != true ||
			!slices.Equal(dropped, []any{"ALL"}) || at(context, "capabilities", "add") != nil {
			found = append(found, fmt.Sprintf("container %v: %v", container["name"], context))
		}
		if at(container, "resources", "limits", "memory") == nil {
			found = append(found, fmt.Sprintf("container %v has no memory limit", container["name"]))
		}
	}
	labels := at(deployment, "spec", "template", "metadata", "labels").(object)
	for key, value := range at(deployment, "spec", "selector", "matchLabels").(object) {
		if labels[key] != value {
			found = append(found, fmt.Sprintf("its pods have the label %s=%v, and its selector %v", key, labels[key], value))
		}
	}
	return found
}

func at(value any, path ...string) any {
	for _, key := range path {
		inner, isObject := value.(object)
		if !isObject {
			return nil
		}
		value = inner[key]
	}
	return value
}

func text(value any, path ...string) string {
	found, _ := at(value, path...).(string)
	return found
}
