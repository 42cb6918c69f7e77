package backup

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

func addVectors(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		for _, data := range readVectors(f, name) {
			f.Add(data)
		}
	}
}

func FuzzOpen(f *testing.F) {
	addVectors(f, "v1-a256kw", "v1-ecdh-p256", "v1-retired", "hostile-blobs", "clouds")
	k := testKeyring(f)
	f.Fuzz(func(t *testing.T, blob []byte) {
		d, err := k.Open(blob)
		if err != nil {
			if k := secret.KindOf(err); k != secret.Corrupt && k != secret.NoKey || secret.DetailOf(err) == "" {
				t.Fatalf("not the kind for what cannot be opened: %v", err)
			}
			return
		}
		// Nobody can forge, so this is one of the seeds: it must be whole.
		if h, err := Inspect(blob); err != nil || h.Format != FormatVaultferry {
			t.Fatalf("opened, but inspected as %+v: %v", h, err)
		}
		mustEncode(t, d)
	})
}

func FuzzDecodeDocument(f *testing.F) {
	for _, d := range []*Document{smallDocument(), fullDocument()} {
		f.Add(mustEncode(f, d))
	}
	f.Add([]byte(nil))
	addVectors(f, "hostile-documents")
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDocument(b)
		if err != nil {
			if secret.KindOf(err) != secret.Corrupt {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if !bytes.Equal(mustEncode(t, d), b) {
			t.Fatal("accepted another spelling than the canonical one")
		}
	})
}

func FuzzParseKeyring(f *testing.F) {
	whole, err := testKeyring(f).Reveal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"keys":[` + jwk(f, "aes", nil) + `]}`))
	f.Add([]byte(`{"keys":[` + jwk(f, "ec-p256", members{"d": nil}) + `]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKeyring(b)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if again := reparse(t, k); again.GatewayID() != k.GatewayID() || len(again.keys) != len(k.keys) {
			t.Fatal("written and read again it is another keyring")
		}
	})
}

// FuzzSignature: a signature of a document is taken in one spelling alone.
func FuzzSignature(f *testing.F) {
	head := EncodeBase64URL([]byte(`{"alg":"EdDSA","kid":"k","typ":"` + typeBackup + `"}`))
	for _, s := range []string{"", "..", head + "..AAAA", head + ".AA.AAAA", head + "..AAA=", head + "..AAAB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseSignedHeader(text)
		if err == nil && (h.Typ != typeBackup || len(text) > maxSignature || strings.Count(text, ".") != 2) {
			t.Fatalf("%q is taken as %+v", text, h)
		}
	})
}
