package gitops

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// recorded is an object as the API server had it in a run of the end-to-end tests.
type recorded struct {
	file   string
	object *unstructured.Unstructured
}

// readRecorded reads all recorded objects.
func readRecorded(folder string) ([]recorded, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []recorded
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		// Through JSON, as Flux and Argo CD read them: a generation stays an integer.
		json, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(json); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, recorded{file: filepath.Base(path), object: object})
	}
	return all, nil
}

func (r recorded) kind() string { return r.object.GetKind() }

// observed says whether the operator has seen the spec.
func (r recorded) observed() bool {
	generation, _, _ := unstructured.NestedInt64(r.object.Object, "status", "observedGeneration")
	return generation == r.object.GetGeneration()
}

// standing describes the object as a row of the documentation.
func (r recorded) standing() (string, error) {
	phase, _, err := unstructured.NestedString(r.object.Object, "status", "phase")
	if err != nil {
		return "", err
	}
	list, _, err := unstructured.NestedSlice(r.object.Object, "status", "conditions")
	if err != nil {
		return "", err
	}
	conditions := map[string]string{}
	for _, item := range list {
		condition, isMap := item.(map[string]any)
		name, isName := condition["type"].(string)
		status, isStatus := condition["status"].(string)
		if !isMap || !isName || !isStatus || !contains(conditionTypes, name) {
			return "", fmt.Errorf("%s: no condition of ours: %v", r.file, item)
		}
		conditions[name] = status
	}
	return describe(r.kind(), phase, conditions), nil
}

func contains(list []string, wanted string) bool {
	for _, item := range list {
		if item == wanted {
			return true
		}
	}
	return false
}
