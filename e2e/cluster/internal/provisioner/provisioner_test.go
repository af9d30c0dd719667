package provisioner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(change func(*core.PersistentVolumeClaimSpec)) controller.ProvisionOptions {
	reclaim := core.PersistentVolumeReclaimDelete
	claim := &core.PersistentVolumeClaim{Spec: core.PersistentVolumeClaimSpec{
		AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteMany},
		Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("3Gi")}},
	}}
	change(&claim.Spec)
	return controller.ProvisionOptions{PVName: "pvc-1", PVC: claim, StorageClass: &storage.StorageClass{ReclaimPolicy: &reclaim}}
}

func unchanged(*core.PersistentVolumeClaimSpec) {}

func TestVolumeMatchesClaimAndAnyoneMayWrite(t *testing.T) {
	directory := Directory{Root: t.TempDir()}
	volume, _, err := directory.Provision(context.Background(), options(unchanged))
	if err != nil {
		t.Fatal(err)
	}
	capacity := volume.Spec.Capacity[core.ResourceStorage]
	if capacity.String() != "3Gi" || len(volume.Spec.AccessModes) != 1 || volume.Spec.AccessModes[0] != core.ReadWriteMany {
		t.Errorf("the volume does not match the claim: %+v", volume.Spec)
	}
	info, err := os.Stat(volume.Spec.Local.Path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o777 {
		t.Errorf("mode is %o", info.Mode().Perm())
	}
	if err := os.WriteFile(filepath.Join(volume.Spec.Local.Path, "kept"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := directory.Provision(context.Background(), options(unchanged)); err != nil {
		t.Errorf("a second attempt for the same volume: %v", err)
	}
	if _, err := os.Stat(filepath.Join(volume.Spec.Local.Path, "kept")); err != nil {
		t.Errorf("a second attempt lost data: %v", err)
	}
	if err := directory.Delete(context.Background(), volume); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(volume.Spec.Local.Path); !os.IsNotExist(err) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestProvisionRefusesWhatItCannotDo(t *testing.T) {
	block := core.PersistentVolumeBlock
	for field, change := range map[string]func(*core.PersistentVolumeClaimSpec){
		"spec.selector":   func(spec *core.PersistentVolumeClaimSpec) { spec.Selector = &metav1.LabelSelector{} },
		"spec.volumeMode": func(spec *core.PersistentVolumeClaimSpec) { spec.VolumeMode = &block },
	} {
		_, _, err := Directory{Root: t.TempDir()}.Provision(context.Background(), options(change))
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestDeleteLeavesForeignPathsAlone(t *testing.T) {
	foreign := t.TempDir()
	volume := &core.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"},
		Spec:       core.PersistentVolumeSpec{PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: foreign}}},
	}
	var ignored *controller.IgnoredError
	if err := (Directory{Root: t.TempDir()}).Delete(context.Background(), volume); !errors.As(err, &ignored) {
		t.Errorf("got %v, want IgnoredError", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}
