package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

func testApp(in io.Reader) (*app, *bytes.Buffer, *bytes.Buffer) {
	var out, errOut bytes.Buffer
	return &app{in: in, out: &out, errOut: &errOut, now: time.Now}, &out, &errOut
}

// A command that waits for its input ends at the first signal.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"backup", "main"}, {"inspect", "-"}} {
		in, w := io.Pipe()
		a, _, errOut := testApp(in)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan int)
		go func() { done <- a.run(ctx, args) }()
		cancel()
		if code := <-done; code != exitInterrupted {
			t.Errorf("%v: exit code %d: %s", args, code, errOut)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answers string
		want    []bool
	}{
		{"y\nn\nYES\n", []bool{true, false, true}},
		{"\nyes", []bool{false, true, false}},
		{"yesterday\n", []bool{false}},
	} {
		a, _, errOut := testApp(strings.NewReader(tt.answers))
		w := writeFlags{confirm: true}
		for i, want := range tt.want {
			err := w.approve(t.Context(), a, "really?")
			if (err == nil) != want || (err != nil && !errors.Is(err, errDeclined)) {
				t.Errorf("%q, question %d: %v", tt.answers, i, err)
			}
		}
		if !strings.HasPrefix(errOut.String(), "really? [y/N] ") {
			t.Errorf("asked %q", errOut)
		}
	}
	a, _, errOut := testApp(strings.NewReader(""))
	if err := (&writeFlags{}).approve(t.Context(), a, "really?"); err != nil || errOut.Len() > 0 {
		t.Error("asked although nobody wanted to be")
	}
}

func TestBackupName(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 1500)
	seen := map[string]string{}
	for name, want := range map[string]string{
		"db":     "s-db-1700000000.000001",
		"a/b":    "s-a%2Fb-1700000000.000001",
		"a%2Fb":  "s-a%252Fb-1700000000.000001",
		"../../": "s-..%2F..%2F-1700000000.000001",
	} {
		got := backupName("s", name, at)
		if got != want || filepath.Base(got) != got {
			t.Errorf("%q is written to %q, want %q", name, got, want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q share a file", name, other)
		}
		seen[got] = name
	}
}

// TestLongNamesAreFiles: whatever a name is, its file can be made, and no other
// name has it.
func TestLongNamesAreFiles(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 1000)
	dir := t.TempDir()
	store := strings.Repeat("s", 63)
	seen := map[string]string{}
	for _, unit := range []string{"a", "/", "%", "é", "日", "😀", "a/", "a/é"} {
		for n := 1; n*len(unit) <= secret.MaxName; n++ {
			name := strings.Repeat(unit, n)
			for _, name := range []string{name, name[:len(name)-len(unit)] + "b"} {
				got := backupName(store, name, at)
				if other, ok := seen[got]; ok && other != name {
					t.Fatalf("%q and %q share a file", name, other)
				}
				seen[got] = name
				if !utf8.ValidString(got) || filepath.Base(got) != got || len(got) > maxFileName {
					t.Fatalf("%q is written to %q", name, got)
				}
			}
		}
	}
	longest := strings.Repeat("a/", secret.MaxName/2)
	file := backupName(store, longest, at)
	if err := writeFile(filepath.Join(dir, file), nil, false); err != nil {
		t.Error(err)
	}
	// A name that is spelled like the file of another one is not that one.
	if spelled := strings.TrimSuffix(strings.TrimPrefix(file, store+"-"), "-1700000000.000001"); backupName(store, spelled, at) == file {
		t.Errorf("%q is spelled", file)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := writeFile(path, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("two"), false); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one" {
		t.Errorf("the existing file holds %q, %v", b, err)
	}
	if err := writeFile(path, []byte("three"), true); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 5 {
		t.Errorf("%v, %v", info, err)
	}
	if err := writeFile(filepath.Join(dir, "no", "f"), nil, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 1 {
		t.Errorf("%d files are left, %v", len(all), err)
	}
}

func TestSelector(t *testing.T) {
	t.Parallel()
	u := secret.NewUID()
	for in, want := range map[string]secret.Selector{
		"": secret.Current, "3": secret.ByOrdinal(3), "v12": secret.ByOrdinal(12), u.String(): secret.ByUID(u),
		strings.ToUpper(u.String()): secret.ByUID(u), strings.Repeat("1", 32): secret.ByUID(secret.UID(bytes.Repeat([]byte{0x11}, 16))),
	} {
		if got, err := selector(in); err != nil || got != want {
			t.Errorf("%q selects %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"0", "-1", "v", "latest", "1.5", strings.Repeat("g", 32)} {
		if got, err := selector(in); err == nil {
			t.Errorf("%q selects %v", in, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", "été": "été", "a\x1b[31m": `a\x1b[31m`, "two\nlines": `two\nlines`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q prints as %q, want %q", in, got, want)
		}
	}
}

func TestRestoreAdvice(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"cloud already has a\\nb, and nothing was written; see --as and --on-conflict":                                                                         &secret.Error{Kind: secret.AlreadyExists, Name: "a\nb", Op: "x.import"},
		"this would lose data: all; nothing was written; --on-loss accept restores all the same, and --on-loss archive keeps the whole backup in a file first": &secret.Error{Kind: secret.Lossy, Op: "x.import", Detail: "this would lose data: all"},
		"Vault cannot be reached: Get: EOF": &secret.Error{Kind: secret.Unavailable, Op: "x.import", Detail: "Vault cannot be reached", Err: errors.New("Get:\n\n\tEOF\n")},
		"conflict":                          &secret.Error{Kind: secret.Conflict, Op: "x.import"},
		"one; two":                          errors.Join(errors.New("one"), errors.New("two")),
	} {
		if got := message(restoreAdvice("cloud", err)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestLogOfDurations: a duration is read as the configuration has it, in both formats.
func TestLogOfDurations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ format, want string }{{"json", `"shutdown_delay":"1m30s"`}, {"text", "shutdown_delay=1m30s"}} {
		a, _, said := testApp(nil)
		a.jsonLog = tt.format == "json"
		a.log().Info("stopping", slog.Duration("shutdown_delay", 90*time.Second))
		if !strings.Contains(said.String(), tt.want) {
			t.Errorf("%s: %s, want %s in it", tt.format, said, tt.want)
		}
	}
}
