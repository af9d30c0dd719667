package host

import (
	"errors"
	"time"

	"devcluster/internal/state"
)

// ErrTaken says that the subnet belongs to another cluster of this machine, perhaps of another user,
// or that one is still being removed.
var ErrTaken = errors.New("taken by another cluster")

// Reserve takes the cluster's subnet, whose link and cgroups the kernel allows only once. The error
// is ErrTaken when it is taken.
func Reserve(cluster *state.Cluster) error {
	if err := createLink(cluster); err != nil {
		return err
	}
	if err := createCgroups(cluster); err != nil {
		return errors.Join(err, removeLink(cluster))
	}
	return nil
}

// Release gives the subnet back after all processes of the cluster have ended. A subnet that by now
// belongs to another cluster is left alone.
func Release(cluster *state.Cluster, patience time.Duration) error {
	owner, err := linkOwner(cluster.Link())
	if err != nil {
		return err
	}
	if owner != "" && owner != cluster.Dir() {
		return nil
	}
	if err := removeCgroups(cluster, patience); err != nil {
		return err
	}
	return removeLink(cluster)
}
