// Package release installs what `make release` made, each in a clean root, and
// asks it for a secret. It needs root, mmdebstrap, dpkg, rpm, curl, wine64 and helm, and
// fails without: `make release-test` runs it.
package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var dist = flag.String("dist", "../../dist", "the folder that make release filled")

// artefact is the one file of the release that matches.
func artefact(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(*dist, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %v, %v; run make release", pattern, *dist, found, err)
	}
	file, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackages: each package installs in a Debian with nothing but what every
// Debian has, serves, and leaves the keyring when it goes.
func TestPackages(t *testing.T) {
	t.Parallel()
	clean := filepath.Join(t.TempDir(), "clean")
	run(t, "mmdebstrap", "--variant=minbase", "--mode=root", "--quiet", "bookworm", clean)
	for kind, test := range map[string]func(*testing.T, string){"deb": testDeb, "rpm": testRPM} {
		t.Run(kind, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			run(t, "cp", "-a", clean, root)
			test(t, root)
		})
	}
}

// ask starts the gateway in root and asks it for a secret; see testdata/ask.sh.
func ask(t *testing.T, root, owner, said, ca string) {
	t.Helper()
	script, err := filepath.Abs("testdata/ask.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--pid", "--fork", "--kill-child", "sh", script)
	cmd.Env = append(os.Environ(), "ROOT="+root, "OWNER="+owner, "SAID="+said, "CA="+ca)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants := []string{"vaultferry " + version(t), `"value":"a-value-from-outside"`, "by command: a-value-from-outside", "msg=stopped"}
	if _, err := os.Stat(filepath.Join(root, jobs)); err == nil {
		wants = append(wants, "vaultferry-backup.service did its work", "vaultferry-drill.service did its work")
	}
	for _, want := range wants {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

// version is what the release calls itself in its files' names.
func version(t *testing.T) string {
	t.Helper()
	name := filepath.Base(artefact(t, "vaultferry_*_linux_amd64.tar.gz"))
	return "v" + strings.TrimSuffix(strings.TrimPrefix(name, "vaultferry_"), "_linux_amd64.tar.gz")
}

// installed checks what a package leaves on a machine beside the program.
func installed(t *testing.T, root string) {
	t.Helper()
	for _, file := range []string{
		"usr/share/man/man1/vaultferry.1.gz", "usr/share/bash-completion/completions/vaultferry",
		"usr/share/fish/vendor_completions.d/vaultferry.fish",
		"usr/share/doc/vaultferry/copyright", "usr/share/doc/vaultferry/sbom.cdx.json",
	} {
		if info, err := os.Stat(filepath.Join(root, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	if zsh, err := filepath.Glob(filepath.Join(root, "usr/share/zsh/*/_vaultferry")); err != nil || len(zsh) != 1 {
		t.Errorf("completion for zsh: %v, %v", zsh, err)
	}
	for _, dir := range []string{"etc/vaultferry", "var/lib/vaultferry"} {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s: %+v, %v", dir, info, err)
		}
	}
	units(t, root)
}

// documentation is the manual page that a unit names.
var documentation = regexp.MustCompile(`(?m)^Documentation=man:([a-z-]+)\(1\)$`)

// units checks what systemd finds: services that are confined, start the
// program of the package and name a page of its manual, and nothing enabled.
func units(t *testing.T, root string) {
	t.Helper()
	var have []string
	for _, kind := range []string{"service", "socket", "timer"} {
		files, err := filepath.Glob(filepath.Join(root, "usr/lib/systemd/system/vaultferry*."+kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range files {
			have = append(have, filepath.Base(unit))
			text, err := os.ReadFile(unit)
			if err != nil || strings.Contains(string(text), "/usr/local") || strings.Contains(string(text), "Install it") {
				t.Errorf("%s is for another place: %v\n%s", unit, err, text)
			}
			if kind != "service" {
				continue
			}
			run(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
			if !strings.Contains(string(text), "\nExecStart=/usr/bin/vaultferry ") {
				t.Errorf("%s starts something else:\n%s", unit, text)
			}
			page := documentation.FindSubmatch(text)
			if page == nil {
				t.Fatalf("%s names no page of the manual", unit)
			}
			if _, err := os.Stat(filepath.Join(root, "usr/share/man/man1", string(page[1])+".1.gz")); err != nil {
				t.Error(err)
			}
		}
	}
	if want := []string{
		"vaultferry-backup.service", "vaultferry-cert.service", "vaultferry-drill.service", "vaultferry-verify.service", "vaultferry.service",
		"vaultferry.socket", "vaultferry-backup.timer", "vaultferry-cert.timer", "vaultferry-drill.timer", "vaultferry-verify.timer",
	}; !slices.Equal(have, want) {
		t.Errorf("the units are %q", have)
	}
	if enabled, err := filepath.Glob(filepath.Join(root, "etc/systemd/system/*/vaultferry*")); err != nil || len(enabled) > 0 {
		t.Errorf("enabled: %q, %v", enabled, err)
	}
}

const jobs = "etc/default/vaultferry"

// edited has an operator change the settings of the jobs.
func edited(t *testing.T, root string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(root, jobs), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("# an operator's\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// stays checks that what the operator wrote is still there, in this file.
func stays(t *testing.T, root, file string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(root, file)); err != nil || !strings.HasSuffix(string(text), "# an operator's\n") {
		t.Errorf("what the operator wrote is gone: %v\n%s", err, text)
	}
}

// kept checks that the keyring survives the package.
func kept(t *testing.T, root string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "usr/bin/vaultferry")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program is still there: %v", err)
	}
	for _, file := range []string{"etc/vaultferry/keyring.json", "var/lib/vaultferry/main.db", "var/lib/vaultferry/audit.jsonl"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("the package took it away: %v", err)
		}
	}
}

func testDeb(t *testing.T, root string) {
	// As on the machine itself: dpkg --root asks this machine who the users are.
	run(t, "cp", artefact(t, "*_amd64.deb"), filepath.Join(root, "vaultferry.deb"))
	run(t, "chroot", root, "dpkg", "--install", "/vaultferry.deb")
	installed(t, root)
	ask(t, root, "vaultferry:vaultferry", filepath.Join(t.TempDir(), "said"), filepath.Join(root, "etc/vaultferry/ca.pem"))
	edited(t, root)
	run(t, "chroot", root, "dpkg", "--install", "/vaultferry.deb")
	stays(t, root, jobs)
	if have := run(t, "chroot", root, "dpkg-query", "--show", "--showformat=${Conffiles}", "vaultferry"); !strings.Contains(have, " /"+jobs+" ") {
		t.Errorf("dpkg would not ask before it overwrites the settings: %q", have)
	}
	run(t, "chroot", root, "dpkg", "--remove", "vaultferry")
	stays(t, root, jobs)
	run(t, "chroot", root, "dpkg", "--purge", "vaultferry")
	kept(t, root)
	if _, err := os.Stat(filepath.Join(root, jobs)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a purge leaves the settings: %v", err)
	}
}

// testRPM: the root is Debian's, of which rpm knows nothing, so what the package
// depends on is not asked for.
func testRPM(t *testing.T, root string) {
	file := artefact(t, "*.x86_64.rpm")
	run(t, "rpm", "--root="+root, "--install", "--nodeps", file)
	run(t, "rpm", "--root="+root, "--verify", "--nodeps", "vaultferry")
	installed(t, root)
	for folder := range strings.Lines(run(t, "rpm", "--query", "--package", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", file)) {
		// Folders that are not ours would clash with the package that has them.
		if strings.HasPrefix(folder, "d") && !strings.Contains(folder, "vaultferry") {
			t.Errorf("the package has the folder %s", folder)
		}
	}
	ask(t, root, "vaultferry:vaultferry", filepath.Join(t.TempDir(), "said"), filepath.Join(root, "etc/vaultferry/ca.pem"))
	edited(t, root)
	run(t, "rpm", "--root="+root, "--install", "--replacepkgs", "--nodeps", file)
	stays(t, root, jobs)
	if flags := run(t, "rpm", "--query", "--package", "--queryformat", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]", file); !strings.Contains(flags, "cn /"+jobs+"\n") {
		t.Errorf("an upgrade would overwrite the settings:\n%s", flags)
	}
	run(t, "rpm", "--root="+root, "--erase", "vaultferry")
	stays(t, root, jobs+".rpmsave")
	kept(t, root)
}

// TestImage: the image needs nothing but itself. It reads its configuration as
// Kubernetes mounts it, from the chart's own files.
func TestImage(t *testing.T) {
	t.Parallel()
	root, config := unpackImage(t, "amd64")
	if config.User != "65532:65532" || config.Labels["org.opencontainers.image.version"] != version(t) || config.Labels["org.opencontainers.image.revision"] == "" {
		t.Errorf("%+v", config)
	}
	if len(config.Entrypoint) != 1 || config.Entrypoint[0] != "/usr/bin/vaultferry" {
		t.Errorf("it runs %v", config.Entrypoint)
	}
	for _, shell := range []string{"bin", "usr/bin/sh", "sbin"} {
		if _, err := os.Stat(filepath.Join(root, shell)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the image has %s", shell)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil || info.Size() == 0 {
		t.Errorf("no authorities: %v", err)
	}
	if _, arm := unpackImage(t, "arm64"); arm.User != config.User {
		t.Errorf("arm64 runs as %s", arm.User)
	}
	ask(t, root, config.User, filepath.Join(t.TempDir(), "said"), filepath.Join(root, "etc/vaultferry/ca.pem"))
}

type descriptor struct {
	Digest   string `json:"digest"`
	Platform struct {
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

type imageConfig struct {
	User       string            `json:"User"`
	Entrypoint []string          `json:"Entrypoint"`
	Env        []string          `json:"Env"`
	Labels     map[string]string `json:"Labels"`
}

// unpackImage puts the image of an architecture into a folder.
func unpackImage(t *testing.T, arch string) (root string, config imageConfig) {
	t.Helper()
	blobs := readTar(t, artefact(t, "*_image.tar"))
	decode := func(name string, into any) {
		t.Helper()
		if err := json.Unmarshal(blobs[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	blob := func(digest string) string {
		t.Helper()
		hash := strings.TrimPrefix(digest, "sha256:")
		name := "blobs/sha256/" + hash
		if sum := sha256.Sum256(blobs[name]); hex.EncodeToString(sum[:]) != hash {
			t.Fatalf("%s has another digest", name)
		}
		return name
	}
	var index, images struct {
		Manifests []descriptor `json:"manifests"`
	}
	decode("index.json", &index)
	decode(blob(index.Manifests[0].Digest), &images)
	for _, m := range images.Manifests {
		if m.Platform.Architecture != arch {
			continue
		}
		var manifest struct {
			Config descriptor   `json:"config"`
			Layers []descriptor `json:"layers"`
		}
		decode(blob(m.Digest), &manifest)
		var c struct {
			Config imageConfig `json:"config"`
		}
		decode(blob(manifest.Config.Digest), &c)
		root := filepath.Join(t.TempDir(), "root")
		for _, l := range manifest.Layers {
			unpack(t, blobs[blob(l.Digest)], root)
		}
		return root, c.Config
	}
	t.Fatalf("no image for %s", arch)
	return "", config
}

func readTar(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err == nil {
			content[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// unpack has tar keep owners and modes.
func unpack(t *testing.T, layer []byte, root string) {
	t.Helper()
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "tar", "-xp", "--same-owner", "-C", root)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestSums: the checksums name every file, and are right.
func TestSums(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile(artefact(t, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(*dist)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "SHA256SUMS" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(*dist, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), f.Name()); !strings.Contains(string(sums), line) {
			t.Errorf("no such line: %s", line)
		}
	}
	if n := len(files); n != 5*2+2*2+2 { // archive and SBOM for each platform, two packages for two, the image, the sums
		t.Errorf("%d files", n)
	}
}
