package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
)

// Content is one image in an archive.
type Content struct {
	References []string
	// Config is the digest of the image's configuration, which stands for all of its content.
	Config digest.Digest
}

// Inspect lists the images of a docker-archive. Other archives give an empty list: what they hold is
// for containerd to find out.
func Inspect(path string) ([]Content, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	manifest, err := readMember(file, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("%s is not an image archive: %w", path, err)
	}
	if manifest == nil {
		return nil, nil
	}
	var entries []manifestEntry
	if err := json.Unmarshal(manifest, &entries); err != nil {
		return nil, fmt.Errorf("%s: manifest.json: %w", path, err)
	}
	var contents []Content
	for _, entry := range entries {
		config, err := readMember(file, entry.Config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if config == nil {
			return nil, fmt.Errorf("%s: %s is named in manifest.json but not there", path, entry.Config)
		}
		sum := sha256.Sum256(config)
		contents = append(contents, Content{
			References: entry.RepoTags,
			Config:     digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(sum[:])),
		})
	}
	return contents, nil
}

// readMember returns one file of an archive, nil when there is none of that name. Other members are
// passed over without being read, as the archive is a file.
func readMember(archive io.ReadSeeker, name string) ([]byte, error) {
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(reader)
		}
	}
}

func digests(values ...string) []digest.Digest {
	var list []digest.Digest
	for _, value := range values {
		list = append(list, digest.Digest(value))
	}
	return list
}
