package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupSaysWhatItLacks: a backup that lacks something says so beside the
// name of its file, to people and to programs, as its dry run did and as a
// restore of it will.
func TestBackupSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t)
	w.put("gone")
	w.put("gone")
	if err := w.native.KVv2(w.mount).DeleteVersions(t.Context(), "gone", []int{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.native.Logical().WriteWithContext(t.Context(), w.mount+"/metadata/ends", map[string]any{"delete_version_after": "1h"}); err != nil {
		t.Fatal(err)
	}
	w.put("ends")
	const (
		lacks = "the value of version 1 is not kept: native tools deleted this version"
		read  = "native tools had deleted this version of the source: it was undeleted for a moment"
		ends  = "note: nothing deletes version 1 at the time that was set: Vault was to delete it at "
	)
	to := func(name string) string { return filepath.Join(w.dir, name) }
	out, _ := w.run(exitDone, "backup", "kv", "ends", "--dry-run")
	w.says(out, ends)
	out, _ = w.run(exitDone, "backup", "kv", "gone", "--dry-run", "--read-deleted")
	w.says(out, read)
	for _, c := range []struct{ name, file, option, want string }{
		{"gone", "without", "--on-loss=accept", "vaultferry: gone: backed up, but " + lacks},
		{"gone", "with", "--read-deleted", read},
		{"ends", "pending", "--on-loss=fail", ends},
	} {
		out, said := w.run(exitDone, "backup", "kv", c.name, c.option, "--output-file", to(c.file))
		if out != to(c.file)+"\n" {
			t.Errorf("the name of the file is %q", out)
		}
		w.says(said, c.want)
	}
	out, said := w.run(exitDone, "backup", "kv", "gone", "--on-loss", "accept", "--output", "json", "--output-file", to("json"))
	var reports []backupReport
	if err := json.Unmarshal([]byte(out), &reports); err != nil || len(reports) != 1 || len(reports[0].Losses) != 1 || !strings.Contains(said, lacks) {
		t.Errorf("programs are told %s and %s: %v", out, said, err)
	}
	out, _ = w.run(exitDone, "restore", "main", to("without"), "--dry-run")
	w.says(out, lacks)
}

// TestAppendToWhatEnds: a version that was to stay is not added where Vault would
// delete it; one that was to go anyway is.
func TestAppendToWhatEnds(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t)
	if _, err := w.native.Logical().WriteWithContext(t.Context(), w.mount+"/metadata/ends", map[string]any{"delete_version_after": "1h"}); err != nil {
		t.Fatal(err)
	}
	w.put("ends")
	file := filepath.Join(w.dir, "first")
	w.run(exitDone, "backup", "kv", "ends", "--output-file", file)
	w.run(exitDone, "restore", "main", file)
	w.run(exitDone, "set", "main", "ends")
	later := filepath.Join(w.dir, "later")
	w.run(exitDone, "backup", "main", "ends", "--output-file", later)
	for _, dry := range [][]string{{"--dry-run"}, nil} {
		_, said := w.run(exitFailed, append([]string{"restore", "kv", later, "--on-conflict", "append"}, dry...)...)
		w.says(said, "version 2 is not kept: Vault would delete it after 1h0m0s (delete_version_after of the key)")
	}
	w.put("ends") // there it is to go, too
	w.run(exitDone, "backup", "kv", "ends", "--output-file", later, "--force")
	if err := w.native.KVv2(w.mount).DeleteMetadata(t.Context(), "ends"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.native.Logical().WriteWithContext(t.Context(), w.mount+"/metadata/ends", map[string]any{"delete_version_after": "2h"}); err != nil {
		t.Fatal(err)
	}
	w.put("ends")
	out, _ := w.run(exitDone, "restore", "kv", later, "--on-conflict", "append")
	w.says(out, "added 1 version to ends in kv: 2 versions stand")
}
