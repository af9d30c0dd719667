package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"devcluster/internal/config"
	"devcluster/internal/host"
	"devcluster/internal/state"
)

// Loader brings images into the containerd of one cluster.
type Loader struct {
	cluster *state.Cluster
	pid     int
}

// NewLoader finds the running cluster.
func NewLoader(cluster *state.Cluster) (*Loader, error) {
	if cluster.ControlPlaneOnly {
		return nil, fmt.Errorf("cluster %s has a control plane only: it runs no containers and takes no images", cluster.Name)
	}
	pids, err := host.FindSupervisors(cluster)
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("cluster %s is not running; start it with: devcluster up --name %s", cluster.Name, cluster.Name)
	}
	return &Loader{cluster: cluster, pid: pids[0]}, nil
}

// Ready says whether containerd answers.
func (l *Loader) Ready(ctx context.Context) error {
	_, err := l.ctr(ctx, nil, "images", "ls")
	return err
}

// LoadFile imports an archive unless everything in it is there already. It reports whether it
// imported anything.
func (l *Loader) LoadFile(ctx context.Context, path string) (bool, error) {
	contents, err := Inspect(path)
	if err != nil {
		return false, err
	}
	there, err := l.images(ctx)
	if err != nil {
		return false, err
	}
	missing := func(content Content) bool { return !there.holds(content) }
	if len(contents) > 0 && !slices.ContainsFunc(contents, missing) {
		return false, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	if err := l.load(ctx, file); err != nil {
		return false, fmt.Errorf("load %s into cluster %s: %w", path, l.cluster.Name, err)
	}
	return true, l.removeUnnamed(ctx)
}

// LoadProgram imports the image of a single program.
func (l *Loader) LoadProgram(ctx context.Context, program Program) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(program.WriteArchive(writer)) }()
	if err := l.load(ctx, reader); err != nil {
		reader.CloseWithError(err)
		return fmt.Errorf("load %s into cluster %s: %w", program.Reference, l.cluster.Name, err)
	}
	return nil
}

func (l *Loader) load(ctx context.Context, archive io.Reader) error {
	_, err := l.ctr(ctx, archive, "images", "import", "-")
	return err
}

// removeUnnamed drops images that no tag points to any more. A loaded image replaces the one of the
// same name; as the kubelet does not collect images here, the old ones would pile up.
func (l *Loader) removeUnnamed(ctx context.Context) error {
	there, err := l.images(ctx)
	if err != nil {
		return err
	}
	if unnamed := there.unnamed(); len(unnamed) > 0 {
		_, err = l.ctr(ctx, nil, append([]string{"images", "rm"}, unnamed...)...)
	}
	return err
}

// images lists containerd's images: the digest of the manifest for each reference. Besides tags
// there is a reference sha256:... for the configuration of each image.
func (l *Loader) images(ctx context.Context) (listing, error) {
	output, err := l.ctr(ctx, nil, "images", "ls")
	if err != nil {
		return nil, err
	}
	return parseListing(output), nil
}

// ctr runs containerd's client inside the cluster, where containerd's socket is.
func (l *Loader) ctr(ctx context.Context, stdin io.Reader, arguments ...string) ([]byte, error) {
	prefix := []string{"--mount", "--target", strconv.Itoa(l.pid), "--", "ctr", "--address", config.ContainerdSocket, "--connect-timeout", "1s", "--namespace", "k8s.io"}
	command := exec.CommandContext(ctx, "nsenter", append(prefix, arguments...)...)
	command.Stdin = stdin
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("ctr %s: %w", strings.Join(arguments[:2], " "), ctx.Err())
	}
	if err != nil {
		return nil, fmt.Errorf("ctr %s: %w: %s; see %s", strings.Join(arguments[:2], " "), err, strings.TrimSpace(stderr.String()), l.cluster.Log(config.Containerd))
	}
	return output, nil
}

// listing maps references to digests of manifests.
type listing map[string]string

func parseListing(output []byte) listing {
	images := listing{}
	for line := range strings.Lines(string(output)) {
		// REF TYPE DIGEST SIZE ...
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "sha256:") {
			images[fields[0]] = fields[2]
		}
	}
	return images
}

// holds says whether all names of an image point to just this content.
func (l listing) holds(content Content) bool {
	manifest, known := l[content.Config.String()]
	if !known || len(content.References) == 0 {
		return false
	}
	for _, name := range content.References {
		if l[normalize(name)] != manifest {
			return false
		}
	}
	return true
}

// unnamed lists the sha256:... references whose image has no tag.
func (l listing) unnamed() []string {
	named := map[string]bool{}
	for name, manifest := range l {
		if !strings.HasPrefix(name, "sha256:") {
			named[manifest] = true
		}
	}
	var list []string
	for name, manifest := range l {
		if strings.HasPrefix(name, "sha256:") && !named[manifest] {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// normalize adds what containerd adds to a short name: registry and tag.
func normalize(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(named).String()
}
