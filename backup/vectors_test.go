package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vaultferry/vaultferry/secret"
)

// goodVectors are blobs of released formats. A vector, once released, is
// never changed or removed: that is the promise of FORMAT.md. -update writes
// those that are missing.
func goodVectors() map[string]struct {
	key string
	doc *Document
} {
	type vector = struct {
		key string
		doc *Document
	}
	return map[string]vector{
		"v1-a256kw":    {"aes", fullDocument()},
		"v1-ecdh-p256": {"ec-p256", fullDocument()},
		"v1-ecdh-p521": {"ec-p521", fullDocument()},
		"v1-rsa":       {"rsa", fullDocument()},
		"v1-retired":   {"old", smallDocument()},
		"v1-signed":    {"ec-p256", fullDocument()},
	}
}

func vectorFile(name string) string { return filepath.Join("testdata", "vectors", name+".txtar") }

// readVectors returns the files of an archive, each without its last newline.
func readVectors(t testing.TB, name string) map[string][]byte {
	t.Helper()
	a, err := txtar.ParseFile(vectorFile(name))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range a.Files {
		files[f.Name] = bytes.TrimSuffix(f.Data, []byte("\n"))
	}
	return files
}

func TestGoodVectorsOpen(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	for name, v := range goodVectors() {
		t.Run(name, func(t *testing.T) {
			if *update {
				writeGood(t, k, name, v.key, v.doc)
			}
			files := readVectors(t, name)
			d, err := k.Open(files["blob"])
			if err != nil {
				t.Fatal(err)
			}
			if !same(d, v.doc) {
				t.Error("the blob holds another document")
			}
			if proved := map[string]string{"v1-a256kw": "aes", "v1-retired": "old", "v1-signed": "sign"}[name]; d.ProvedBy != proved {
				t.Errorf("proved by %q, want %q", d.ProvedBy, proved)
			}
			if !bytes.Equal(mustEncode(t, d), files["document.json"]) {
				t.Error("the encoding of the document has changed")
			}
		})
	}
	found, err := filepath.Glob(vectorFile("v*"))
	if err != nil || len(found) != len(goodVectors()) {
		t.Errorf("%d good vectors on disk, %d known: %v", len(found), len(goodVectors()), err)
	}
}

func writeGood(t *testing.T, k *Keyring, name, id string, d *Document) {
	t.Helper()
	if _, err := os.Stat(vectorFile(name)); err == nil {
		return
	}
	i := k.find(id)
	plain := mustEncode(t, d)
	if name == "v1-signed" {
		signed := k.with([]key{k.keys[i], k.keys[k.find("sign")]})
		plain = plainOf(t, signed, mustSeal(t, signed, d))
	}
	compact, err := k.keys[i].seal(plain, typeBackup)
	if err != nil {
		t.Fatal(err)
	}
	writeArchive(t, name, "A blob of format 1, sealed with the key "+id+" of ../keyring.json, and what is in it.\n", []txtar.File{
		{Name: "document.json", Data: append(bytes.Clone(plain), '\n')},
		{Name: "blob", Data: []byte(prefix + compact + "\n")},
	})
}

func writeArchive(t *testing.T, name, comment string, files []txtar.File) {
	t.Helper()
	b := txtar.Format(&txtar.Archive{Comment: []byte(comment + "\n"), Files: files})
	if err := os.WriteFile(vectorFile(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// reasons maps the folder of a hostile vector to the check that must catch
// it, so that no vector passes because of some other fault in it.
func reasons() map[string]error {
	return map[string]error{
		"parts": errParts, "header": errHeader, "sizes": errSizes, "epk": errEPK, "no-key": errNoKey, "decrypt": errDecrypt,
		"not-json": errNotJSON, "schema": errSchema, "not-canonical": errNotCanonical, "rule": nil,
	}
}

func checkRefused(t *testing.T, name string, err error) {
	t.Helper()
	var e *secret.Error
	if !errors.As(err, &e) || e.Kind != secret.Corrupt || e.Detail != cannotOpen {
		t.Fatalf("got %v, want the one answer for what cannot be opened", err)
	}
	class, _, _ := strings.Cut(name, "/")
	want, known := reasons()[class]
	switch {
	case !known:
		t.Fatalf("unknown class %q", class)
	case want != nil && !errors.Is(err, want):
		t.Errorf("refused because of %q, want %q", e.Err, want)
	case want == nil:
		for _, other := range reasons() {
			if other != nil && errors.Is(err, other) {
				t.Errorf("refused because of %q, want a broken rule", e.Err)
			}
		}
	}
}

func TestHostileBlobsAreRefused(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	if *update {
		writeHostile(t, "hostile-blobs", hostileBlobs(t, k))
	}
	files := readVectors(t, "hostile-blobs")
	if len(files) < 40 {
		t.Errorf("only %d vectors", len(files))
	}
	for name, blob := range files {
		t.Run(name, func(t *testing.T) {
			_, err := k.Open(blob)
			checkRefused(t, name, err)
		})
	}
}

func TestHostileDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	if *update {
		writeHostile(t, "hostile-documents", hostileDocuments(t))
	}
	files := readVectors(t, "hostile-documents")
	if len(files) < 40 {
		t.Errorf("only %d vectors", len(files))
	}
	for name, doc := range files {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeDocument(doc)
			checkRefused(t, name, err)
			_, err = k.Open([]byte(craft(t, k, goodHeader, doc)))
			checkRefused(t, name, err)
		})
	}
}

func writeHostile(t *testing.T, name string, vectors []txtar.File) {
	t.Helper()
	for i := range vectors {
		vectors[i].Data = append(vectors[i].Data, '\n')
	}
	writeArchive(t, name, "Each must be refused, by the check that its folder names.\nThe newline before the next file does not belong to it.\n", vectors)
}

func TestCraftedBlobWithTheRightFormOpens(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	d, err := k.Open([]byte(craft(t, k, goodHeader, mustEncode(t, smallDocument()))))
	if err != nil || !same(d, smallDocument()) {
		t.Fatalf("the hostile vectors prove nothing: %v", err)
	}
}

func TestEveryCutAndEveryTurnedBitIsRefused(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	for _, id := range []string{"aes", "ec-p256"} {
		blob := mustSeal(t, k.only(t, id), smallDocument())
		for i := range blob {
			if _, err := k.Open(blob[:i]); secret.KindOf(err) != secret.Corrupt {
				t.Fatalf("%s: cut to %d bytes: %v", id, i, err)
			}
			turned := bytes.Clone(blob)
			turned[i] ^= 1 << (i % 8)
			if _, err := k.Open(turned); secret.KindOf(err) != secret.Corrupt || secret.DetailOf(err) != cannotOpen {
				t.Fatalf("%s: bit of byte %d turned: %v", id, i, err)
			}
		}
	}
}

func TestBlobsOfTheCloudsAreNamed(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	for name, blob := range readVectors(t, "clouds") {
		_, err := k.Open(blob)
		if secret.KindOf(err) != secret.Corrupt || !strings.Contains(secret.DetailOf(err), map[string]string{"azure": "Azure Key Vault", "huawei": "Huawei Cloud CSMS"}[name]) {
			t.Errorf("%s: %v", name, err)
		}
		h, err := Inspect(blob)
		if err != nil || h.Format != name+"-v1" || !strings.HasPrefix(h.Algorithm, "RSA-OAEP") || h.KeyID == "" {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}
