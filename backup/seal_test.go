package backup

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/secret"
)

func TestSealedOpensWithEveryKeyType(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{AlgA256KW, AlgECDH, AlgRSA} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k, err := NewKeyringOf(alg, AlgEdDSA)
			if err != nil {
				t.Fatal(err)
			}
			blob := mustSeal(t, k, fullDocument())
			if d, err := k.Open(blob); err != nil || !same(d, fullDocument()) {
				t.Errorf("the document came back changed: %v", err)
			}
			if bytes.Equal(blob, mustSeal(t, k, fullDocument())) {
				t.Error("two seals of one document are equal")
			}
			h, err := Inspect(blob)
			if want := (Header{FormatVaultferry, k.Keys()[0].ID, alg, "A256GCM", len(blob)}); err != nil || h != want {
				t.Errorf("inspect: %+v, want %+v: %v", h, want, err)
			}
		})
	}
}

func TestEveryCurveSeals(t *testing.T) {
	t.Parallel()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := (&jose.JSONWebKey{Key: private, KeyID: "k", Use: "enc", Algorithm: AlgECDH}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseKeyring([]byte(`{"keys":[` + string(raw) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(mustSeal(t, k, smallDocument())); err != nil {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
}

// A coordinate that begins with a zero byte keeps it (RFC 7518, 6.2.1.2). One
// ephemeral key in 128 has one.
func TestShortCoordinatesOpen(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, AlgECDH)
	for range 10_000 {
		wrapped, err := k.WrapKey([]byte("a data key"), "a store")
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := bytes.Cut(wrapped, []byte("."))
		h, err := parseHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		if decodePart(t, h.EPK.X)[0] == 0 || decodePart(t, h.EPK.Y)[0] == 0 {
			if _, err := k.UnwrapKey(wrapped, "a store"); err != nil {
				t.Errorf("a coordinate that begins with zero: %v", err)
			}
			return
		}
	}
	t.Error("no ephemeral key began with zero: the test is wrong")
}

func TestTheFirstKeyNotRetiredSeals(t *testing.T) {
	t.Parallel()
	k := testKeyring(t) // its first key is retired
	if h, err := Inspect(mustSeal(t, k, smallDocument())); err != nil || h.KeyID != "aes" {
		t.Errorf("sealed with %q, want aes: %v", h.KeyID, err)
	}
	if _, err := k.only(t, "old").Seal(smallDocument()); secret.KindOf(err) != secret.Unsupported {
		t.Errorf("sealing with nothing but a retired key: %v", err)
	}
}

func TestPublicHalfSealsAndCannotOpen(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	half, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	if !half.CanSeal() || half.CanOpen() || half.CanUnwrap() || half.GatewayID() != k.GatewayID() {
		t.Error("a public half must seal, not open, and be of the same gateway")
	}
	blob := mustSeal(t, half, smallDocument())
	if d, err := k.Open(blob); err != nil || !same(d, smallDocument()) {
		t.Errorf("the whole keyring cannot open it: %v", err)
	}
	if _, err := half.Open(blob); secret.KindOf(err) != secret.Unsupported {
		t.Errorf("opened with the public half: %v", err)
	}
	if _, err := half.UnwrapKey([]byte("x"), "a store"); secret.KindOf(err) != secret.Corrupt {
		t.Errorf("unwrapped with the public half: %v", err)
	}
}

func TestOneKeyThatCannotOpenAmongOthersThatCan(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string]members{
		"public half": {"d": nil}, "key_ops": {"key_ops": []string{"wrapKey"}},
	} {
		k, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "ec-p256", changes) + `,` + jwk(t, "aes", nil) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if !k.CanSeal() || !k.CanOpen() || k.CanUnwrap() {
			t.Errorf("%s: seals %v, opens %v, unwraps what it wraps %v", name, k.CanSeal(), k.CanOpen(), k.CanUnwrap())
		}
		_, err = k.Open(mustSeal(t, k, smallDocument()))
		checkRefused(t, "no-key/"+name, err)
	}
	if newKeyring(t, AlgES256).CanOpen() {
		t.Error("a signing key opens")
	}
}

func TestWrappedKeysAndBlobsAreNeverMistaken(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	for _, id := range []string{"aes", "ec-p256", "ec-p521", "rsa"} {
		one := k.only(t, id)
		want := bytes.Repeat([]byte{7}, 32)
		wrapped, err := one.WrapKey(want, "a store")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.UnwrapKey(wrapped, "a store"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the key came back changed: %v", id, err)
		}
		if got := k.WrappedBy(wrapped); got != id {
			t.Errorf("%s: it says that %q wrapped it", id, got)
		}
		if _, err := k.Open([]byte(prefix + string(wrapped))); secret.DetailOf(err) != cannotOpen {
			t.Errorf("%s: a wrapped key opened as a blob: %v", id, err)
		}
		blob := mustSeal(t, one, smallDocument())
		for _, b := range [][]byte{blob, blob[len(prefix):], wrapped[1:], nil} {
			if _, err := k.UnwrapKey(b, "a store"); secret.KindOf(err) != secret.Corrupt {
				t.Errorf("%s: unwrapped what is no wrapped key: %v", id, err)
			}
			if got := k.WrappedBy(b); got != "" {
				t.Errorf("%s: what is no wrapped key says that %q wrapped it", id, got)
			}
		}
	}
	if _, err := k.WrapKey(nil, "a store"); err == nil {
		t.Error("wrapped an empty key")
	}
}

func TestSealRefusesWhatItCouldNotOpen(t *testing.T) {
	t.Parallel()
	k := NewKeyring()
	breakers := map[string]func(*Document){
		"no secret":       func(d *Document) { d.Secret = nil },
		"no gateway":      func(d *Document) { d.Origin.Gateway = "" },
		"two values":      func(d *Document) { d.Secret.Versions[0].Missing = secret.Deleted },
		"year 10000":      func(d *Document) { d.SealedAt = d.SealedAt.AddDate(8000, 0, 0) },
		"tag not UTF-8":   func(d *Document) { d.Secret.Tags["k"] = "\xff" },
		"bad extra":       func(d *Document) { d.Secret.Extra = secret.Extra{"k": []byte("{")} },
		"extra not UTF-8": func(d *Document) { d.Secret.Extra = secret.Extra{"k": []byte("\"\xff\"")} },
		"nil extra":       func(d *Document) { d.Secret.Extra = secret.Extra{"k": nil} },
		"bad fields":      func(d *Document) { d.Secret.Versions[0].Value = secret.FieldsValue([]byte("\"secret-value\"")) },
	}
	for name, f := range breakers {
		d := smallDocument()
		f(d)
		_, err := k.Seal(d)
		if err == nil || secret.KindOf(err) != secret.Internal {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "secret-value") {
			t.Errorf("%s: the error shows the value", name)
		}
	}
}

func TestKeyringIsSafeToShare(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	var wg sync.WaitGroup
	for _, id := range []string{"aes", "ec-p256", "rsa", "aes"} {
		one := k.only(t, id)
		wg.Go(func() {
			blob, err := one.Seal(smallDocument())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := k.Open(blob); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestAPublicHalfMakesNoDataKey: whoever has a public half, and what ids follow
// from, makes nothing that a store takes for its key, and none is another store's.
func TestAPublicHalfMakesNoDataKey(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	key := bytes.Repeat([]byte{7}, 32)
	for _, id := range []string{"ec-p256", "ec-p521", "rsa"} {
		one := k.only(t, id)
		half, err := one.Public()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := half.WrapKey(key, "a store"); secret.KindOf(err) != secret.Unsupported {
			t.Errorf("%s: a public half wraps a key: %v", id, err)
		}
		forged, err := half.sealAs(key, typeKey)
		if err != nil {
			t.Fatal(err)
		}
		good, err := one.WrapKey(key, "a store")
		if err != nil {
			t.Fatal(err)
		}
		proof := string(good[bytes.LastIndexByte(good, '.'):])
		for what, wrapped := range map[string]string{
			"bare": forged, "with the proof of another": forged + proof, "with none": forged + ".", "cut": string(good[:len(good)-1]), "nothing": ".",
			"with that of the half": forged + "." + half.sealer().proof(forged, "a store"),
		} {
			if _, err := k.UnwrapKey([]byte(wrapped), "a store"); secret.KindOf(err) != secret.Corrupt {
				t.Errorf("%s: a forged key, %s, was unwrapped: %v", id, what, err)
			}
		}
		if _, err := k.UnwrapKey(good, "another store"); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("%s: the key of another store was unwrapped: %v", id, err)
		}
	}
}
