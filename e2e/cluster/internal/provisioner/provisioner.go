// Package provisioner makes volumes for claims: directories on the one node that any user of a pod
// may write to.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"devcluster/internal/state"
)

// Name is the provisioner named by the default StorageClass.
const Name = "devcluster/directory"

// retryAtMost bounds the pause between attempts for a claim: nothing here is slow to become right.
const retryAtMost = 10 * time.Second

// Run provisions and deletes volumes below directory until ctx ends.
func Run(ctx context.Context, kubeconfig, directory string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, Name, Directory{Root: directory},
		controller.LeaderElection(false),
		controller.RetryIntervalMax(retryAtMost),
	).Run(ctx)
	return nil
}

// Directory keeps each volume as a directory below Root, under the name of its PersistentVolume.
type Directory struct {
	Root string
}

var _ controller.Provisioner = Directory{}

// Provision makes the directory of a volume. It is a volume of type local, not hostPath, so that a
// pod's fsGroup is applied to it; and open to everyone, for pods that set no fsGroup.
func (d Directory) Provision(_ context.Context, options controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC.Spec
	if claim.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("spec.selector is not supported: volumes are made for one claim and have no labels to select")
	}
	if claim.VolumeMode != nil && *claim.VolumeMode == core.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("spec.volumeMode Block is not supported: volumes are directories; use Filesystem")
	}
	path := filepath.Join(d.Root, options.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Apart from MkdirAll, whose mode the umask reduces.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	volume := &core.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.AccessModes,
			// As asked for; a directory has no limit of its own.
			Capacity:               core.ResourceList{core.ResourceStorage: claim.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{state.NodeName},
				}},
			}}}},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes the directory of a volume.
func (d Directory) Delete(_ context.Context, volume *core.PersistentVolume) error {
	path := filepath.Join(d.Root, volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path {
		return &controller.IgnoredError{Reason: fmt.Sprintf("its path is not %s", path)}
	}
	return os.RemoveAll(path)
}
