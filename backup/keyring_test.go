package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// jwk returns a key of the test keyring as JSON, with members changed: nil
// removes one.
func jwk(t testing.TB, id string, changes map[string]any) string {
	t.Helper()
	k := testKeyring(t)
	var m map[string]any
	if err := json.Unmarshal(k.keys[k.find(id)].raw, &m); err != nil {
		t.Fatal(err)
	}
	for name, v := range changes {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type members = map[string]any

func TestBadKeyringsAreRefused(t *testing.T) {
	t.Parallel()
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	cases := map[string]struct{ set, want string }{
		"not JSON":         {`x`, "not a JSON object"},
		"trailing":         {set(jwk(t, "aes", nil)) + "x", "not a JSON object"},
		"one key":          {jwk(t, "aes", nil), "list of keys"},
		"no keys":          {`{"keys":[]}`, "list of keys"},
		"gateway":          {`{"gateway":"XYZ","keys":[` + jwk(t, "aes", nil) + `]}`, "gateway"},
		"ids":              {`{"ids":"SECRET","keys":[` + jwk(t, "aes", nil) + `]}`, "ids"},
		"kid missing":      {set(jwk(t, "aes", members{"kid": nil})), "key 1: kid"},
		"kid with quote":   {set(jwk(t, "aes", members{"kid": `a"b`})), "key 1: kid"},
		"kid twice":        {set(jwk(t, "aes", nil), jwk(t, "rsa", members{"kid": "aes"})), `key 2: the kid "aes" is taken`},
		"use missing":      {set(jwk(t, "aes", members{"use": nil})), "use is not"},
		"use of a signer":  {set(jwk(t, "sign", members{"use": "enc"})), `use is not "sig"`},
		"alg missing":      {set(jwk(t, "aes", members{"alg": nil})), "alg does not fit"},
		"alg dir":          {set(jwk(t, "aes", members{"alg": "dir"})), "alg does not fit"},
		"alg of another":   {set(jwk(t, "aes", members{"alg": AlgRSA})), "alg does not fit"},
		"short oct":        {set(jwk(t, "aes", members{"k": EncodeBase64URL(make([]byte, 16))})), "alg does not fit"},
		"empty oct":        {set(jwk(t, "aes", members{"k": ""})), ""},
		"k missing":        {set(jwk(t, "aes", members{"k": nil})), ""},
		"k not base64":     {set(jwk(t, "aes", members{"k": "SECRET!"})), "not a well-formed"},
		"d of another key": {set(jwk(t, "ec-p256", members{"d": EncodeBase64URL(append(make([]byte, 31), 1))})), "alg does not fit"},
		"ES256 on P-521":   {set(jwk(t, "ec-p521", members{"alg": AlgES256, "use": "sig"})), "alg does not fit"},
		"d zero":           {set(jwk(t, "ec-p256", members{"d": EncodeBase64URL(make([]byte, 32))})), ""},
		"not on the curve": {set(jwk(t, "ec-p256", members{"x": EncodeBase64URL(make([]byte, 32)), "d": nil})), "not a well-formed"},
		"unknown curve":    {set(jwk(t, "ec-p256", members{"crv": "secp256k1"})), "not a well-formed"},
		"small RSA":        {set(jwk(t, "rsa", members{"n": EncodeBase64URL(append([]byte{0xc1}, make([]byte, 255)...)), "d": nil, "p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil})), ""},
		"RSA of strangers": {set(jwk(t, "rsa", members{"p": "Aw"})), "not a well-formed"},
		"retired when":     {set(jwk(t, "aes", members{"vaultferry_retired": "soon"})), "RFC 3339"},
		"retired true":     {set(jwk(t, "aes", members{"vaultferry_retired": true})), "wrong type"},
		"key_ops string":   {set(jwk(t, "aes", members{"key_ops": "wrapKey"})), "wrong type"},
		"key null":         {set("null"), "kid"},
	}
	for name, c := range cases {
		_, err := ParseKeyring([]byte(c.set))
		if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

func TestKeyOpsCount(t *testing.T) {
	t.Parallel()
	for ops, want := range map[string][2]bool{
		"wrapKey": {true, false}, "unwrapKey": {false, true}, "deriveKey": {true, true}, "sign": {false, false},
	} {
		k, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "ec-p256", members{"key_ops": []string{ops}}) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if k.CanSeal() != want[0] || k.CanOpen() != want[1] {
			t.Errorf("%s: seals %v, opens %v", ops, k.CanSeal(), k.CanOpen())
		}
	}
}

func TestGatewayIDStays(t *testing.T) {
	t.Parallel()
	byHand, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "aes", nil) + `,` + jwk(t, "rsa", nil) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	id := byHand.GatewayID()
	if len(id) != 32 || strings.Contains(id, testKeyring(t).GatewayID()) {
		t.Errorf("derived id %q", id)
	}
	renamed, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "aes", members{"kid": "other"}) + `]}`))
	if err != nil || renamed.GatewayID() != id {
		t.Errorf("the id depends on more than the first key: %v", err)
	}
	// The public set lost the first key, from which the id came.
	half, err := byHand.Public()
	if err != nil {
		t.Fatal(err)
	}
	if again := reparse(t, half); again.GatewayID() != id {
		t.Error("the public set is of another gateway")
	}
	if a, b := NewKeyring(), NewKeyring(); a.GatewayID() == b.GatewayID() {
		t.Error("two new gateways share their id")
	}
}

func reparse(t *testing.T, k *Keyring) *Keyring {
	t.Helper()
	b, err := k.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKeyring(b)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old := NewKeyring()
	first := old.Keys()[0].ID
	blob := mustSeal(t, old, smallDocument())
	both, second, err := old.Add(AlgECDH)
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := Inspect(mustSeal(t, both, smallDocument())); h.KeyID != first {
		t.Error("a new key seals before the old one is retired")
	}
	at := time.Date(2026, 5, 6, 7, 8, 9, 10, time.FixedZone("", 3600))
	rotated, err := both.Retire(first, at)
	if err != nil {
		t.Fatal(err)
	}
	rotated = reparse(t, rotated)
	if h, _ := Inspect(mustSeal(t, rotated, smallDocument())); h.KeyID != second {
		t.Error("a retired key still seals")
	}
	if _, err := rotated.Open(blob); err != nil {
		t.Errorf("a retired key does not open: %v", err)
	}
	if k := rotated.Keys()[0]; k.Active || !k.Retired.Equal(at.Truncate(time.Second)) {
		t.Errorf("listed as %+v", k)
	}
	if h, _ := Inspect(mustSeal(t, both, smallDocument())); h.KeyID != first {
		t.Error("retiring changed the keyring that was given")
	}
	again, err := rotated.Retire(first, at.AddDate(1, 0, 0))
	if err != nil || !again.Keys()[0].Retired.Equal(at.Truncate(time.Second)) {
		t.Errorf("retiring again moved the time: %v", err)
	}
	if _, err := rotated.Retire("nobody", at); secret.KindOf(err) != secret.NotFound {
		t.Errorf("retired an unknown key: %v", err)
	}
	none, err := rotated.Retire(second, at)
	if err != nil || none.CanSeal() || !none.CanOpen() || !none.CanUnwrap() {
		t.Errorf("all retired: must open and not seal: %v", err)
	}
}

func TestEditsKeepWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	k, _, err := k.Add(AlgES256)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = k.Retire("aes", time.Now()); err != nil {
		t.Fatal(err)
	}
	b, err := k.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Test keys: they protect nothing.", "a member that we do not know", "2026-03-01T00:00:00Z"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("an edit lost %q", want)
		}
	}
}

func TestPublicSetHoldsNoPrivateMember(t *testing.T) {
	t.Parallel()
	half, err := testKeyring(t).Public()
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]json.RawMessage }
	b, err := half.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) != 5 {
		t.Fatalf("%d keys, want the five asymmetric ones: %v", len(set.Keys), err)
	}
	public := "alg crv e kid kty n use x y "
	for _, key := range set.Keys {
		for name := range key {
			if !strings.Contains(public, name+" ") {
				t.Errorf("member %q is public", name)
			}
		}
	}
	if _, err := newKeyring(t, AlgA256KW).Public(); secret.KindOf(err) != secret.Invalid {
		t.Errorf("a symmetric key has a public half: %v", err)
	}
}

// newKeyring is NewKeyringOf for tests.
func newKeyring(t testing.TB, algs ...string) *Keyring {
	t.Helper()
	k, err := NewKeyringOf(algs...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignerIsTheFirstSigningKey(t *testing.T) {
	t.Parallel()
	if s, id, ok := testKeyring(t).Signer(); !ok || id != "sign" || s == nil {
		t.Errorf("signer %q, %v", id, ok)
	}
	if _, _, ok := testKeyring(t).only(t, "aes").Signer(); ok {
		t.Error("a keyring without a signing key signs")
	}
	half, err := testKeyring(t).Public()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := half.Signer(); ok {
		t.Error("a public half signs")
	}
}

func TestKeyringDoesNotPrintKeys(t *testing.T) {
	t.Parallel()
	k := NewKeyring()
	want := "keyring of gateway " + k.GatewayID()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != want {
			t.Errorf("%s prints %d bytes", verb, len(got))
		}
	}
	if _, err := json.Marshal(k); !errors.Is(err, secret.ErrNotMarshalable) {
		t.Errorf("it marshals: %v", err)
	}
}

func TestKeyringFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keyring.json")
	k := NewKeyring()
	if err := k.Create(path); err != nil {
		t.Fatal(err)
	}
	blob := mustSeal(t, k, smallDocument())
	if err := NewKeyring().Create(path); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), path) {
		t.Errorf("created over an existing keyring: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("keyring.json", link); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadKeyring(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loaded.Open(blob); err != nil {
		t.Error(err)
	}
	var id string
	err = EditFile(link, func(k *Keyring) (*Keyring, error) {
		if err := EditFile(path, nil); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), path+".new") {
			t.Errorf("a second edit at the same time: %v", err)
		}
		k, id, err = k.Add(AlgECDH)
		return k, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("replacing through a link replaced the link")
	}
	if again, err := LoadKeyring(path); err != nil || again.find(id) < 0 {
		t.Errorf("the new key is not in the file: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v", err)
	}
	err = EditFile(path, func(k *Keyring) (*Keyring, error) { return k.Retire("nobody", time.Now()) })
	if secret.KindOf(err) != secret.NotFound || !strings.Contains(err.Error(), path) {
		t.Errorf("an edit that fails: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files are left, want the keyring and the link", len(files))
	}
	if err := EditFile(filepath.Join(dir, "absent"), nil); secret.KindOf(err) != secret.Invalid {
		t.Errorf("edited a file that does not exist: %v", err)
	}
}

func TestKeyringFileThatOthersCanUseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	if err := NewKeyring().Create(path); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeyring(path)
		if (err == nil) != ok {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && (secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), path)) {
			t.Errorf("mode %04o: %v does not name the file", mode, err)
		}
	}
	if _, err := LoadKeyring(filepath.Join(t.TempDir(), "absent")); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("absent: %v", err)
	}
	if _, err := LoadKeyring(t.TempDir()); err == nil {
		t.Error("loaded a folder")
	}
	large := filepath.Join(t.TempDir(), "large")
	set := `{"keys":[` + jwk(t, "aes", nil) + `]}` + strings.Repeat(" ", maxKeyring)
	if err := os.WriteFile(large, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeyring(large); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "larger") {
		t.Errorf("loaded a file over the limit: %v", err)
	}
}
