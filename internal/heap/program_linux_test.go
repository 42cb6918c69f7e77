package heap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramIsForgotten: pages of the program that nobody uses are no memory of the
// process any more, and it goes on.
func TestProgramIsForgotten(t *testing.T) { // not in parallel: others would use the program
	resident := func() (kib int) {
		t.Helper()
		all, err := programMappings("/proc/self/smaps")
		if err != nil || len(all) == 0 {
			t.Fatalf("%d mappings, %v", len(all), err)
		}
		for _, m := range all {
			kib += m.resident
		}
		return kib
	}
	before := resident()
	if err := forgetProgram("/proc/self/smaps"); err != nil {
		t.Fatal(err)
	}
	if after := resident(); after >= before {
		t.Errorf("%d KiB of the program are resident, and were %d before", after, before)
	}
}

// TestProgramMappings: nothing is forgotten but what came from the program's file, and is
// as it came.
func TestProgramMappings(t *testing.T) {
	t.Parallel()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	const rest = "\nSize: 8 kB\nRss:  4 kB\nAnonymous: 0 kB\nVmFlags: rd ex mr mw me\n"
	at := func(addresses, perms, path string) string {
		return addresses + " " + perms + " 00000000 fe:00 123                        " + path
	}
	none := map[string]string{
		"of another file":    at("1000-2000", "r-xp", program+"x") + rest,
		"that is deleted":    at("1000-2000", "r-xp", program+" (deleted)") + rest,
		"that is written":    at("1000-2000", "rw-p", program) + rest,
		"that is shared":     at("1000-2000", "r--s", program) + rest,
		"that was changed":   at("1000-2000", "r--p", program) + strings.Replace(rest, "Anonymous: 0", "Anonymous: 4", 1),
		"that does not say":  at("1000-2000", "r--p", program) + strings.Replace(rest, "Anonymous: 0 kB\n", "", 1),
		"that says nonsense": at("1000-2000", "r--p", program) + strings.Replace(rest, "Anonymous: 0", "Anonymous: ?", 1),
		"of no addresses":    at("1000-zzzz", "r--p", program) + rest,
		"of no length":       at("2000-2000", "r--p", program) + rest,
		"of no file":         "1000-2000 r--p 00000000 00:00 0 " + rest,
		"that is empty":      "",
	}
	good := at("1000-2000", "r-xp", program) + rest
	file := filepath.Join(t.TempDir(), "smaps")
	for what, text := range none {
		for _, text := range []string{text, good + text, text + good} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := programMappings(file)
			if want := strings.Count(text, good); err != nil || len(all) != want {
				t.Errorf("a mapping %s: %+v, %v", what, all, err)
			}
			for _, m := range all {
				if m.from != 0x1000 || m.to != 0x2000 || m.resident != 4 {
					t.Errorf("a mapping %s: %+v", what, m)
				}
			}
		}
	}
}
