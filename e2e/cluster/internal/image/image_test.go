package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func writeProgram(t *testing.T, content string) Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return Program{Reference: "localhost/test/program:1", Path: path, User: "65532:65532"}
}

func archive(t *testing.T, program Program) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := program.WriteArchive(&buffer); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestSameProgramSameArchive(t *testing.T) {
	first, second, other := archive(t, writeProgram(t, "a")), archive(t, writeProgram(t, "a")), archive(t, writeProgram(t, "b"))
	if !bytes.Equal(first, second) {
		t.Error("the same program gave different archives")
	}
	if bytes.Equal(first, other) {
		t.Error("different programs gave the same archive")
	}
}

func TestLayerHoldsTheProgramExecutable(t *testing.T) {
	var layer bytes.Buffer
	if err := writeProgram(t, "content").writeLayer(&layer); err != nil {
		t.Fatal(err)
	}
	reader := tar.NewReader(&layer)
	header, err := reader.Next()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "program" || header.Mode != 0o755 || string(content) != "content" {
		t.Errorf("layer holds %s, mode %o, %q", header.Name, header.Mode, content)
	}
}

func TestInspectFindsConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, archive(t, writeProgram(t, "a")), 0o644); err != nil {
		t.Fatal(err)
	}
	contents, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(contents) != 1 || len(contents[0].References) != 1 || contents[0].References[0] != "localhost/test/program:1" {
		t.Fatalf("got %+v", contents)
	}
	if err := contents[0].Config.Validate(); err != nil {
		t.Error(err)
	}
}

func TestInspectRefusesWhatIsNoArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no archive"), 200), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Inspect(path); err == nil {
		t.Error("no error")
	}
}

func TestListing(t *testing.T) {
	images := parseListing([]byte(`REF                         TYPE                                                 DIGEST         SIZE   PLATFORMS   LABELS
docker.io/library/web:latest application/vnd.docker.distribution.manifest.v2+json sha256:m-new   1.0 MiB linux/amd64 -
localhost/test/program:1    application/vnd.docker.distribution.manifest.v2+json sha256:m-prog  1.0 MiB linux/amd64 -
sha256:c-new                application/vnd.docker.distribution.manifest.v2+json sha256:m-new   1.0 MiB linux/amd64 -
sha256:c-old                application/vnd.docker.distribution.manifest.v2+json sha256:m-old   1.0 MiB linux/amd64 -
sha256:c-prog               application/vnd.docker.distribution.manifest.v2+json sha256:m-prog  1.0 MiB linux/amd64 -
`))
	for _, test := range []struct {
		content Content
		want    bool
	}{
		{Content{References: []string{"localhost/test/program:1"}, Config: "sha256:c-prog"}, true},
		{Content{References: []string{"web"}, Config: "sha256:c-new"}, true},
		{Content{References: []string{"web"}, Config: "sha256:c-old"}, false},
		{Content{References: []string{"localhost/test/program:2"}, Config: "sha256:c-prog"}, false},
		{Content{References: []string{"web"}, Config: "sha256:c-none"}, false},
		{Content{Config: "sha256:c-new"}, false},
	} {
		if got := images.holds(test.content); got != test.want {
			t.Errorf("%+v: %v, want %v", test.content, got, test.want)
		}
	}
	if unnamed := images.unnamed(); len(unnamed) != 1 || unnamed[0] != "sha256:c-old" {
		t.Errorf("unnamed: %v", unnamed)
	}
}
