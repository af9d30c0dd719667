package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// row is one row of the documentation's table of a kind: how an object stands, and what GitOps tools
// make of it.
type row struct {
	kind       string
	phase      string
	conditions map[string]string
	kstatus    string
	argocd     string
}

func (r row) String() string { return describe(r.kind, r.phase, r.conditions) }

// The condition types that the operator writes.
var conditionTypes = []string{"Ready", "Reconciling", "Stalled", "Suspended", "Complete", "Failed"}

// describe is the same text for the same standing.
func describe(kind, phase string, conditions map[string]string) string {
	text := kind + " " + phase
	for _, name := range conditionTypes {
		if status := conditions[name]; status != "" {
			text += " " + name + "=" + status
		}
	}
	return text
}

// readTables reads the tables that have a column "kstatus". The kind is the heading above.
func readTables(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []row
	var kind string
	var header []string
	for number, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			kind, header = strings.TrimSpace(strings.TrimLeft(line, "#")), nil
		case !strings.HasPrefix(line, "|"):
			header = nil
		case header == nil:
			header = cells(line)
		case strings.HasPrefix(line, "|-") || !contains(header, "kstatus"):
		default:
			found := cells(line)
			if len(found) != len(header) {
				return nil, fmt.Errorf("%s:%d: %d cells under %d headers", path, number+1, len(found), len(header))
			}
			rows = append(rows, rowOf(kind, header, found))
		}
	}
	return rows, nil
}

func rowOf(kind string, header, found []string) row {
	made := row{kind: kind, conditions: map[string]string{}}
	for i, name := range header {
		switch {
		case name == "phase":
			made.phase = found[i]
		case name == "kstatus":
			made.kstatus = found[i]
		case name == "Argo CD":
			made.argocd = found[i]
		case contains(conditionTypes, name):
			made.conditions[name] = found[i]
		}
	}
	return made
}

func cells(line string) []string {
	parts := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// readPhases reads the phases of each kind from its CRD.
func readPhases(folder string) (map[string][]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	phases := map[string][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var crd map[string]any
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		kind, _, _ := unstructured.NestedString(crd, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
		for _, version := range versions {
			field := []string{"schema", "openAPIV3Schema", "properties", "status", "properties", "phase", "enum"}
			names, found, err := unstructured.NestedStringSlice(version.(map[string]any), field...)
			if !found || err != nil {
				return nil, fmt.Errorf("%s has no phases", path)
			}
			phases[kind] = append(phases[kind], names...)
		}
	}
	return phases, nil
}
