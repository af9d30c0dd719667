package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is something a cluster with a node starts, and the Debian package it comes from.
type program struct {
	name, pkg string
}

var programs = []program{
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"iptables", "iptables"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
}

// cniPlugins are the plugins that the pod network is made of.
var cniPlugins = []string{"loopback", "ptp", "host-local", "portmap"}

// cniDirectories are where distributions put CNI plugins.
var cniDirectories = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// ExtendPath adds the directories of system programs to PATH, which not every root shell has there.
func ExtendPath() error {
	return os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
}

// CheckPrograms finds everything that a cluster with a node needs and returns the directory of the
// CNI plugins. The error names every missing program and the packages to install.
func CheckPrograms() (cni string, err error) {
	return checkPrograms(exec.LookPath, cniDirectories)
}

func checkPrograms(look func(string) (string, error), directories []string) (string, error) {
	var missing, packages []string
	for _, program := range programs {
		if _, err := look(program.name); err != nil {
			missing = append(missing, program.name)
			packages = append(packages, program.pkg)
		}
	}
	index := slices.IndexFunc(directories, hasAllPlugins)
	if index < 0 {
		missing = append(missing, "CNI plugins "+strings.Join(cniPlugins, ", "))
		packages = append(packages, "containernetworking-plugins")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("missing on this machine: %s; install with: apt-get install --no-install-recommends %s, or run hack/prerequisites.sh",
			strings.Join(missing, ", "), strings.Join(slices.Compact(packages), " "))
	}
	return directories[index], nil
}

func hasAllPlugins(directory string) bool {
	for _, plugin := range cniPlugins {
		if info, err := os.Stat(filepath.Join(directory, plugin)); err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// RequireRoot fails for anyone else: namespaces, links and cgroups need root.
func RequireRoot() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("this must run as root (network, mounts and cgroups of a cluster need it), not as user %d", os.Geteuid())
	}
	return nil
}
