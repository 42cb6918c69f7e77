package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestNamesThatAreNoSecrets: of a product whose lists tell nothing but names, the
// commands that read each secret next name what is deleted, unfinished or refused as
// that, and take what holds nothing for no secret.
func TestNamesThatAreNoSecrets(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, "unread")
	for range 2 {
		w.run(exitDone, "set", "main", "half")
	}
	w.run(exitDone, "backup", "main", "half", "--output-file", w.path("half.backup"))
	w.run(exitFailed, "restore", "kv", w.path("half.backup"))
	w.lost.Store(false)
	for _, path := range []string{"a", "gone", "trashed.b", "trashed-b", "unread", "z"} {
		w.put(path)
	}
	if err := w.native.KVv2(w.mount).DeleteVersions(t.Context(), "gone", []int{1}); err != nil {
		t.Fatal(err)
	}
	w.run(exitDone, "delete", "kv", "trashed.b")

	_, said := w.run(exitFailed, "inventory", "kv", "--output-file", w.path("kv.inventory"))
	w.says(said, "unread: refused by the product")
	w.lines("kv.inventory", []string{`"a" `, `"trashed-b" `, `"trashed.b" deleted`, `"unread" unread`, `"z" `})

	w.run(exitFailed, "migrate", "plan", "--from", "kv", "--to", "main", "--replace", "[.]=-", "--output-file", w.path("kv.plan"))
	w.lines("kv.plan", []string{
		`"a" create`, `"gone" deleted`, `"half" unreadable`, `"trashed-b" create`, `"trashed.b" deleted`, `"unread" unreadable`, `"z" create`,
	})
	w.run(exitDone, "migrate", "run", w.path("kv.plan"))
	w.put("new")
	w.put("gone-too")
	if err := w.native.KVv2(w.mount).DeleteVersions(t.Context(), "gone-too", []int{1}); err != nil {
		t.Fatal(err)
	}
	out, _ := w.run(exitDifferent, "migrate", "verify", w.path("kv.plan"), "--output", "json")
	w.says(out, `"counts":{"!":1,"+":1,"-":1,"=":3}`, `"stays":2,`, `{"sign":"-","name":"new","why":"new at the source`)

	w.run(exitDone, "snapshot", "init", "--repo", w.path("repo"))
	out, said = w.run(exitFailed, "snapshot", "create", "kv", "--repo", w.path("repo"), "--output", "json")
	w.says(said, "unread: ")
	w.says(out, `"count": 5`, `"sealed": 4`)
}

func (w *vaultWorld) path(name string) string { return filepath.Join(w.dir, name) }

// lines compares what an inventory or a plan says of each secret.
func (w *vaultWorld) lines(file string, want []string) {
	w.Helper()
	b, err := os.ReadFile(w.path(file))
	if err != nil {
		w.Fatal(err)
	}
	var got []string
	for line := range bytes.Lines(b) {
		var e struct {
			Name, Class     string
			Unread, Deleted any
		}
		if err := json.Unmarshal(line, &e); err != nil {
			w.Fatal(err)
		}
		switch said := `"` + e.Name + `" ` + e.Class; {
		case e.Name == "": // the header, the end
		case e.Unread != nil:
			got = append(got, said+"unread")
		case e.Deleted != nil:
			got = append(got, said+"deleted")
		default:
			got = append(got, said)
		}
	}
	if !slices.Equal(got, want) {
		w.Errorf("%s: got %q, want %q", file, got, want)
	}
}
