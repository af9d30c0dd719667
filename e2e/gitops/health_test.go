// Package gitops holds the documentation's tables of phases and conditions against what GitOps tools
// make of objects that were recorded in runs of the end-to-end tests: kstatus's own code (Flux, Helm),
// and Argo CD's health script in the interpreter that Argo CD uses.
package gitops

import (
	"maps"
	"slices"
	"testing"

	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

const (
	documentation = "../../docs/api.md"
	scripts       = "../../charts/millwright/argocd/argocd-cm.yaml"
	crds          = "../../charts/millwright/files/crds"
	objects       = "testdata"
)

var kinds = []string{"Dataset", "TrainingJob", "Model", "ModelVersion", "ModelDeployment", "RetrainPolicy"}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// Each recorded object reads as its row says, and each row has a recorded object.
func TestRecordedObjectsReadAsDocumented(t *testing.T) {
	rows := map[string]row{}
	for _, each := range must[[]row](t)(readTables(documentation)) {
		if _, twice := rows[each.String()]; twice {
			t.Errorf("two rows of %s are for %s", documentation, each)
		}
		rows[each.String()] = each
	}
	argo := must[argoCD](t)(readPatch(scripts))
	seen := map[string]bool{}
	for _, each := range must[[]recorded](t)(readRecorded(objects)) {
		if !each.observed() || each.object.GetDeletionTimestamp() != nil {
			continue
		}
		standing := must[string](t)(each.standing())
		expected, found := rows[standing]
		if !found {
			t.Errorf("%s: %s has no row for %s", each.file, documentation, standing)
			continue
		}
		seen[standing] = true
		reads(t, argo, each, status.Status(expected.kstatus), expected.argocd)
	}
	for standing := range rows {
		if !seen[standing] {
			t.Errorf("nothing is recorded that is %s: see README.md", standing)
		}
	}
}

// A new object is never finished before the operator has seen it, and neither is a changed one.
func TestUnseenObjectsAreUnderWay(t *testing.T) {
	argo := must[argoCD](t)(readPatch(scripts))
	var fresh, changed []string
	for _, each := range must[[]recorded](t)(readRecorded(objects)) {
		if each.observed() || each.object.GetDeletionTimestamp() != nil {
			continue
		}
		reads(t, argo, each, status.InProgressStatus, "Progressing")
		if each.object.GetGeneration() == 1 {
			fresh = append(fresh, each.kind())
		} else {
			changed = append(changed, each.kind())
		}
	}
	for _, kind := range kinds {
		if !slices.Contains(fresh, kind) {
			t.Errorf("no new %s was recorded", kind)
		}
	}
	if len(changed) == 0 {
		t.Error("no object was recorded whose spec had changed")
	}
}

// Argo CD looks at the deletion itself, before it asks a script.
func TestDeletedObjectsAreTerminating(t *testing.T) {
	var deleted []string
	for _, each := range must[[]recorded](t)(readRecorded(objects)) {
		if each.object.GetDeletionTimestamp() == nil {
			continue
		}
		deleted = append(deleted, each.kind())
		result := must[*status.Result](t)(status.Compute(each.object))
		if result.Status != status.TerminatingStatus {
			t.Errorf("%s: kstatus reads %s", each.file, result.Status)
		}
	}
	for _, kind := range kinds {
		if !slices.Contains(deleted, kind) {
			t.Errorf("no %s was recorded that is being deleted", kind)
		}
	}
}

// The documentation has every phase of the CRDs, and kinds that the tests here know.
func TestEveryPhaseIsDocumented(t *testing.T) {
	rows := must[[]row](t)(readTables(documentation))
	phases := must[map[string][]string](t)(readPhases(crds))
	for kind, names := range phases {
		for _, phase := range names {
			isRow := func(each row) bool { return each.kind == kind && each.phase == phase }
			// Two kinds leave the first phase with the first pass, and so does every new object.
			unseen := phase == "Pending" && (kind == "Dataset" || kind == "ModelVersion")
			if slices.ContainsFunc(rows, isRow) == unseen {
				t.Errorf("%s: the phase %s of %s", documentation, phase, kind)
			}
		}
	}
	if found := slices.Sorted(maps.Keys(phases)); !slices.Equal(found, slices.Sorted(slices.Values(kinds))) {
		t.Errorf("the CRDs are of the kinds %v", found)
	}
}

func TestEachKindHasAScript(t *testing.T) {
	argo := must[argoCD](t)(readPatch(scripts))
	for _, kind := range kinds {
		if argo.scripts[healthKey+kind] == "" {
			t.Errorf("%s has no script for %s", scripts, kind)
		}
	}
	if len(argo.scripts) != len(kinds) {
		t.Errorf("%s has %d keys for %d kinds", scripts, len(argo.scripts), len(kinds))
	}
}

func reads(t *testing.T, argo argoCD, each recorded, kstatus status.Status, health string) {
	t.Helper()
	result := must[*status.Result](t)(status.Compute(each.object))
	if result.Status != kstatus {
		t.Errorf("%s: kstatus reads %s (%s) instead of %s", each.file, result.Status, result.Message, kstatus)
	}
	found, message, err := argo.health(each.kind(), each.object.Object)
	if err != nil {
		t.Fatalf("%s: %v", each.file, err)
	}
	if found != health {
		t.Errorf("%s: Argo CD reads %s (%s) instead of %s", each.file, found, message, health)
	}
}
