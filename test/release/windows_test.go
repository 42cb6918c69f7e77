package release

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where Debian's wine64 has its programs.
const (
	wine       = "/usr/lib/wine/wine64"
	wineserver = "/usr/lib/wine/wineserver64"
)

// TestWindows has the commands of the zip file keep a secret and give it back, under
// Wine, and refuse a keyring that everybody can read. Wine shows the modes of files
// as lists of access.
func TestWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := unzip(t, artefact(t, "*_windows_amd64.zip"), dir)
	environment := append(os.Environ(), "WINEPREFIX="+filepath.Join(dir, "wine"), "WINEDEBUG=-all")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env, cmd.Dir = environment, dir
		return cmd
	}
	if out, err := command(wine, "wineboot", "--init").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		end := exec.Command(wineserver, "--kill") // of this folder, not of others
		end.Env = environment
		if out, err := end.CombinedOutput(); err != nil {
			t.Logf("%v\n%s", err, out)
		}
	})
	random := filepath.Join(dir, "wine/drive_c/windows/system32/bcryptprimitives.dll")
	if _, err := os.Stat(random); err != nil { // Wine has it from version 9 on
		if err := os.WriteFile(random, forwarder("bcryptprimitives.dll", "ProcessPrng", "ADVAPI32.SystemFunction036"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := func(want string, args ...string) {
		t.Helper()
		cmd := command(wine, append([]string{program}, args...)...)
		cmd.Stdin = strings.NewReader("a-value-of-windows")
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), want) {
			t.Errorf("%q: want %q:\n%s", args, want, out)
		}
	}
	said("vaultferry "+version(t), "version")
	said("wrote gateway", "init", "gateway")
	config := []string{"--config", "gateway/vaultferry.yaml"}
	with := func(args ...string) []string { return append(args, config...) }
	said("the configuration can be used", with("check", "--connect")...)
	said("version 1", with("set", "main", "greeting")...)
	said("a-value-of-windows", with("get", "main", "greeting")...)
	said("repository ", with("snapshot", "init", "--repo", "vaults")...)
	said("1 secret of main, 1 new", with("snapshot", "create", "main", "--repo", "vaults")...)
	said("1 of 1 came back", with("snapshot", "drill", "--repo", "vaults")...)
	said("no gateway is running", with("status")...)
	said("the gateway runs on Linux and macOS", with("serve")...)
	if err := os.Chmod(filepath.Join(dir, "gateway/keyring.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	said("icacls", with("get", "main", "greeting")...)
}

// unzip puts the files below dir, and returns where the program is.
func unzip(t *testing.T, file, dir string) (program string) {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "vaultferry.exe" {
			program = path
		}
	}
	if program == "" {
		t.Fatalf("no program in %s", file)
	}
	return program
}

// forwarder is a DLL of one function, which another DLL has under another name.
func forwarder(dll, function, to string) []byte {
	const place, header, tables = 0x1000, 0x200, 40
	names := place + tables + 4 + 4 + 2 + 2
	var exports bytes.Buffer
	le := func(b *bytes.Buffer, values ...any) {
		for _, v := range values {
			_ = binary.Write(b, binary.LittleEndian, v) // to memory
		}
	}
	u32 := func(n int) uint32 { return uint32(n) }
	calledAt := names + len(dll) + 1
	toAt := calledAt + len(function) + 1
	le(&exports, uint32(0), uint32(0), uint32(0), u32(names), uint32(1), uint32(1), uint32(1),
		u32(place+tables), u32(place+tables+4), u32(place+tables+8),
		u32(toAt), u32(calledAt), uint32(0), []byte(dll+"\x00"+function+"\x00"+to+"\x00"))
	size := exports.Len()

	var b bytes.Buffer
	b.WriteString("MZ" + strings.Repeat("\x00", 58))
	le(&b, uint32(64), []byte("PE\x00\x00"))
	le(&b, uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x2022))                                  // a DLL for amd64
	le(&b, uint16(0x20b), uint16(14), uint32(0), uint32(header), uint32(0), uint32(0), uint32(place))                                // its sizes
	le(&b, uint64(0x180000000), uint32(0x1000), uint32(0x200))                                                                       // where it goes
	le(&b, uint16(6), uint16(0), uint16(0), uint16(0), uint16(6), uint16(0), uint32(0))                                              // for which Windows
	le(&b, uint32(0x2000), uint32(header), uint32(0), uint16(3), uint16(0x100))                                                      // the image
	le(&b, uint64(0x100000), uint64(0x1000), uint64(0x100000), uint64(0x1000), uint32(0), uint32(16))                                // stack and heap
	le(&b, uint32(place), u32(size), make([]byte, 15*8))                                                                             // directories: exports
	le(&b, []byte(".edata\x00\x00"), u32(size), uint32(place), uint32(header), uint32(header), make([]byte, 12), uint32(0x40000040)) // one section
	b.Write(make([]byte, header-b.Len()))
	b.Write(exports.Bytes())
	b.Write(make([]byte, 2*header-b.Len()))
	return b.Bytes()
}
