// Command image packs static binaries into an OCI image of one layer for each
// architecture, on nothing: no shell, no package, nothing but the program, the
// authorities that the builder trusts, and the folders of the gateway. The same
// input makes the same bytes.
//
//	image -out image.tar -version v1.2.3 -revision 0123abcd -ca ca-certificates.crt amd64=FILE arm64=FILE
//
// The output is an OCI layout in a tar file: docker load, podman load, and
// skopeo copy oci-archive:image.tar read it. SOURCE_DATE_EPOCH is its time.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// uid is of a user that no host has.
const uid = 65532

type release struct {
	version, revision string
	authorities       []byte
	licence           []byte
	created           time.Time
}

func main() {
	out := flag.String("out", "", "the tar file to write")
	ca := flag.String("ca", "/etc/ssl/certs/ca-certificates.crt", "the authorities that the image trusts, PEM")
	licence := flag.String("licence", "LICENSE", "the licence of the program")
	var r release
	flag.StringVar(&r.version, "version", "", "the version of the release")
	flag.StringVar(&r.revision, "revision", "", "the commit that it is made of")
	flag.Parse()
	if err := r.run(*out, *ca, *licence, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func (r *release) run(out, ca, licence string, binaries []string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.created = time.Unix(epoch, 0).UTC()
	if r.authorities, err = os.ReadFile(ca); err != nil {
		return err
	}
	if r.licence, err = os.ReadFile(licence); err != nil {
		return err
	}
	index, err := r.index(binaries)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	_, err = layout.Write(dir, index)
	if err == nil {
		err = r.pack(dir, out)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// index is the image of every architecture, under one name.
func (r *release) index(binaries []string) (v1.ImageIndex, error) {
	if len(binaries) == 0 {
		return nil, errors.New("no ARCH=FILE")
	}
	images := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		arch, file, ok := strings.Cut(b, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not ARCH=FILE", b)
		}
		program, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		image, err := r.image(arch, program)
		if err != nil {
			return nil, err
		}
		images = mutate.AppendManifests(images, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	// Whoever loads the archive gets the image under its name.
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: images, Descriptor: v1.Descriptor{Annotations: map[string]string{
			"org.opencontainers.image.ref.name": "vaultferry:" + r.tag(),
			"io.containerd.image.name":          "docker.io/library/vaultferry:" + r.tag(),
		}},
	}), nil
}

// tag is the version as a tag may be spelt.
func (r *release) tag() string {
	return strings.ReplaceAll(strings.TrimPrefix(r.version, "v"), "+", "-")
}

func (r *release) image(arch string, program []byte) (v1.Image, error) {
	content, err := r.layer(program)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: v1.Time{Time: r.created}, CreatedBy: "vaultferry " + r.version},
	})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.config(arch, image))
}

func (r *release) config(arch string, image v1.Image) *v1.ConfigFile {
	c, err := image.ConfigFile()
	if err != nil {
		panic(err) // it was made in this process
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: r.created}
	c.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", uid, uid),
		Entrypoint: []string{"/usr/bin/vaultferry"},
		Cmd:        []string{"serve"},
		Env:        []string{"PATH=/usr/bin", "VAULTFERRY_CONFIG=/etc/vaultferry/vaultferry.yaml"},
		WorkingDir: "/var/lib/vaultferry",
		Labels: map[string]string{
			"org.opencontainers.image.title":         "vaultferry",
			"org.opencontainers.image.description":   "A gateway between secret stores",
			"org.opencontainers.image.source":        "https://github.com/vaultferry/vaultferry",
			"org.opencontainers.image.documentation": "https://github.com/vaultferry/vaultferry/blob/main/docs/install.md",
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.version":       r.version,
			"org.opencontainers.image.revision":      r.revision,
			"org.opencontainers.image.created":       r.created.Format(time.RFC3339),
		},
	}
	return c
}

// layer is the whole file system.
func (r *release) layer(program []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content []byte) error {
		h.ModTime, h.Size, h.Format = r.created, int64(len(content)), tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	for _, d := range []struct {
		name  string
		mode  int64
		owner int
	}{
		{"etc/", 0o755, 0},
		{"etc/ssl/", 0o755, 0},
		{"etc/ssl/certs/", 0o755, 0},
		{"etc/vaultferry/", 0o700, uid},
		{"tmp/", 0o1777, 0},
		{"usr/", 0o755, 0},
		{"usr/bin/", 0o755, 0},
		{"usr/share/", 0o755, 0},
		{"usr/share/licenses/", 0o755, 0},
		{"var/", 0o755, 0},
		{"var/lib/", 0o755, 0},
		{"var/lib/vaultferry/", 0o700, uid},
	} {
		if err := add(tar.Header{Typeflag: tar.TypeDir, Name: d.name, Mode: d.mode, Uid: d.owner, Gid: d.owner}, nil); err != nil {
			return nil, err
		}
	}
	user := fmt.Sprintf("vaultferry:x:%d:%d::/var/lib/vaultferry:/usr/sbin/nologin\n", uid, uid)
	for _, f := range []struct {
		name    string
		mode    int64
		content []byte
	}{
		{"etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nvaultferry:x:%d:\n", uid)},
		{"etc/passwd", 0o644, []byte("root:x:0:0::/:/usr/sbin/nologin\n" + user)},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, r.authorities},
		{"usr/bin/vaultferry", 0o755, program},
		{"usr/share/licenses/vaultferry", 0o644, r.licence},
	} {
		if err := add(tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode}, f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// pack puts the layout into one file, in the order of its names.
func (r *release) pack(dir, out string) (err error) {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	files := os.DirFS(dir)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		h := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: r.created, Format: tar.FormatPAX}
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close())
}
