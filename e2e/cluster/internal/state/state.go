// Package state says where everything of a cluster lives on disk and which addresses belong to it.
//
// All of it is derived from two facts, the name and the subnet number, so that whatever a crash
// left behind can be found again without any other record.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
)

// NodeName is the name of the one node of every cluster.
const NodeName = "node-1"

// validName keeps names usable as directory names and short enough for Unix socket paths.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Home returns the one directory under which all state lives: $MILLWRIGHT_HOME, by default
// .cache/millwright in the user's home directory.
func Home() (string, error) {
	home := os.Getenv("MILLWRIGHT_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("MILLWRIGHT_HOME is not set and the home directory is unknown: %w", err)
		}
		home = filepath.Join(user, ".cache", "millwright")
	}
	absolute, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("MILLWRIGHT_HOME %q: %w", home, err)
	}
	return absolute, nil
}

// Cluster is the record of one cluster, kept as cluster.json in its directory.
type Cluster struct {
	Name string `json:"name"`
	// Subnet is the number N from which every address, link and cgroup name is derived.
	Subnet int `json:"subnet"`
	// ControlPlaneOnly leaves out kubelet, containerd, kube-proxy, DNS and storage.
	ControlPlaneOnly bool `json:"controlPlaneOnly"`
	// Audit writes an audit log at level Metadata.
	Audit bool `json:"audit"`
	// Unthrottled takes the limits off that keep clients from the API server's full speed.
	Unthrottled bool `json:"unthrottled"`
	// FeatureGates are the API server's, as its flag takes them.
	FeatureGates string `json:"featureGates,omitempty"`

	home string
}

// New describes a cluster that need not exist. The name must be a DNS label of at most 40 characters.
func New(home, name string) (*Cluster, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("cluster name %q: use 1 to 40 lower-case letters, digits and '-', beginning and ending with a letter or digit", name)
	}
	return &Cluster{Name: name, home: home}, nil
}

// Load reads the record of a cluster. The error is fs.ErrNotExist when there is none.
func Load(home, name string) (*Cluster, error) {
	cluster, err := New(home, name)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(cluster.recordPath())
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	if err := json.Unmarshal(content, cluster); err != nil {
		return nil, fmt.Errorf("%s is not readable: %w; remove the cluster with: devcluster down --name %s", cluster.recordPath(), err, name)
	}
	cluster.Name = name
	return cluster, nil
}

// List returns the names of all clusters that have a directory, sorted.
func List(home string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(home, "clusters"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && validName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// Save writes the record; a crash leaves either the old or the new one.
func (c *Cluster) Save() error {
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir(), 0o755); err != nil {
		return err
	}
	temporary := c.recordPath() + ".new"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, c.recordPath())
}

func (c *Cluster) recordPath() string { return c.Path("cluster.json") }

// Dir is the directory of the cluster.
func (c *Cluster) Dir() string { return filepath.Join(c.home, "clusters", c.Name) }

// Path joins elements to the directory of the cluster.
func (c *Cluster) Path(elements ...string) string {
	return filepath.Join(append([]string{c.Dir()}, elements...)...)
}

// LockPath is the file that is locked while the cluster is brought up or down. It lies beside the
// directory, which goes away with the cluster.
func (c *Cluster) LockPath() string { return c.Dir() + ".lock" }

// Home is the directory the cluster was created under.
func (c *Cluster) Home() string { return c.home }

// Bin is a program that belongs to the cluster's images, built beside devcluster.
func (c *Cluster) Bin(name string) string { return filepath.Join(c.home, "bin", name) }

// Kubeconfig is the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.Path("kubeconfig") }

// ComponentKubeconfig is the kubeconfig of one component.
func (c *Cluster) ComponentKubeconfig(component string) string {
	return c.Path("components", component+".kubeconfig")
}

// Log is the log file of one component.
func (c *Cluster) Log(component string) string { return c.Path("log", component+".log") }

// AuditLog is the API server's audit log, written when Audit is set.
func (c *Cluster) AuditLog() string { return c.Path("audit.log") }

// PKI is a file of the cluster's certificate directory.
func (c *Cluster) PKI(file string) string { return c.Path("pki", file) }

// ControlSocket is the Unix socket of the supervisor.
func (c *Cluster) ControlSocket() string { return c.Path("control.sock") }

// Volumes is the directory under which dynamic volumes are made.
func (c *Cluster) Volumes() string { return c.Path("volumes") }
