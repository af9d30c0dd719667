// Package image makes container images out of single static programs and brings image archives into
// a cluster, without a container engine.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Program is an image that holds nothing but one static program.
type Program struct {
	// Reference is the name and tag of the image.
	Reference string
	// Path is the program on this machine. In the image it is at the root, under its base name.
	Path string
	// User is the numeric user and group it runs as, root when empty.
	User string
}

// manifestEntry is one image in the manifest.json of a docker-archive.
type manifestEntry struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// WriteArchive writes the image as a docker-archive. The same program gives the same bytes.
func (p Program) WriteArchive(w io.Writer) error {
	// The configuration names the digest of the layer and comes first, so the layer is written twice.
	hash := sha256.New()
	size := &counter{}
	if err := p.writeLayer(io.MultiWriter(hash, size)); err != nil {
		return err
	}
	layer := hex.EncodeToString(hash.Sum(nil))
	config, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   ocispec.ImageConfig{User: p.User, Entrypoint: []string{"/" + filepath.Base(p.Path)}},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: digests("sha256:" + layer)},
	})
	if err != nil {
		return err
	}
	configDigest := sha256.Sum256(config)
	configName := hex.EncodeToString(configDigest[:]) + ".json"
	manifest, err := json.Marshal([]manifestEntry{{Config: configName, RepoTags: []string{p.Reference}, Layers: []string{layer + ".tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"manifest.json", manifest}, {configName, config}} {
		if err := archive.WriteHeader(header(file.name, 0o644, int64(len(file.content)))); err != nil {
			return err
		}
		if _, err := archive.Write(file.content); err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(header(layer+".tar", 0o644, size.written)); err != nil {
		return err
	}
	if err := p.writeLayer(archive); err != nil {
		return err
	}
	return archive.Close()
}

func (p Program) writeLayer(w io.Writer) error {
	program, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("image %s: %w", p.Reference, err)
	}
	defer program.Close()
	info, err := program.Stat()
	if err != nil {
		return err
	}
	layer := tar.NewWriter(w)
	if err := layer.WriteHeader(header(filepath.Base(p.Path), 0o755, info.Size())); err != nil {
		return err
	}
	if _, err := io.Copy(layer, program); err != nil {
		return fmt.Errorf("image %s: %w", p.Reference, err)
	}
	return layer.Close()
}

func header(name string, mode, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, Format: tar.FormatPAX}
}

type counter struct{ written int64 }

func (c *counter) Write(content []byte) (int, error) {
	c.written += int64(len(content))
	return len(content), nil
}
