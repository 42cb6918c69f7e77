package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	jcipher "github.com/go-jose/go-jose/v4/cipher"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vaultferry/vaultferry/secret"
)

var update = flag.Bool("update", false, "write the hostile vectors again, and good ones that are missing")

// fullDocument holds every form of value and every attribute, set and unset.
func fullDocument() *Document {
	at := func(sec, nano int) time.Time { return time.Date(2026, 2, 3, 4, 5, sec, nano, time.UTC) }
	uid := func(n byte) secret.UID { return secret.UID{n, 0xab, 15: n} }
	return &Document{
		Origin:   Origin{Gateway: "00112233445566778899aabbccddeeff", Store: "payments", Name: "team/DB-Pass ü"},
		SealedAt: at(59, 999999999),
		Secret: &secret.Secret{
			Name:        "team/DB-Pass ü",
			Description: "quote \" backslash \\ line\nend, U+2028 \u2028, <&>, \x7f, 🔑",
			Tags:        map[string]string{"owner": "ops", "": "empty key", "é": "", "Z": "sorted before é"},
			Created:     at(0, 0),
			Updated:     at(30, 100),
			Current:     9,
			Previous:    2,
			Extra:       secret.Extra{"azure.name": json.RawMessage(`"DB-Pass"`), "huawei.x": json.RawMessage(`{"b":1.50,"a":[null,true,"\u00e9"]}`)},
			Versions: []secret.Version{
				{Ordinal: 1, UID: uid(1), Missing: secret.Destroyed, Created: at(1, 0)},
				{
					Ordinal: 2, UID: uid(2), Value: secret.TextValue("two lines\r\nand a tab\t, \x00\x01\x1f\b\f"), ContentType: "text/plain",
					Tags: map[string]string{"k": "v"}, Created: at(2, 1), Updated: at(2, 120_000_000), NotBefore: at(3, 0), Expires: at(4, 0),
				},
				{Ordinal: 3, UID: uid(3), Value: secret.TextValue(""), Tags: map[string]string{}, Disabled: true},
				{Ordinal: 5, UID: uid(5), Value: secret.BinaryValue([]byte{0, 0xff, 0xfe, '"', '\n'}), Stages: []string{"BLUE", "blue"}},
				{Ordinal: 6, UID: uid(6), Value: secret.BinaryValue(nil)},
				{Ordinal: 7, UID: uid(7), Value: secret.FieldsValue([]byte("{ \"user\": \"u\",\n \"n\": 1.0 }")), Extra: secret.Extra{"hashivault.x": json.RawMessage(`[]`)}},
				{Ordinal: 8, UID: uid(8), Missing: secret.Unreadable, Disabled: true},
				{Ordinal: 9, UID: uid(9), Value: secret.TextValue("-----BEGIN X-----\nAAAA\n-----END X-----\n")},
				{Ordinal: 1 << 40, UID: uid(10), Missing: secret.Deleted},
			},
		},
	}
}

func smallDocument() *Document {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	return &Document{
		Origin:   Origin{Gateway: "00112233445566778899aabbccddeeff", Store: "a", Name: "n"},
		SealedAt: at,
		Secret: &secret.Secret{Name: "n", Created: at, Current: 1, Tags: map[string]string{"b": "2", "c": "3"}, Versions: []secret.Version{
			{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("one"), Created: at, Stages: []string{"x", "y"}},
			{Ordinal: 2, UID: secret.UID{2}, Value: secret.BinaryValue([]byte{1}), Created: at},
			{Ordinal: 3, UID: secret.UID{3}, Value: secret.FieldsValue([]byte("{}")), Extra: secret.Extra{"k": json.RawMessage(`1`)}},
		}},
	}
}

// same reports whether two documents are equal, whoever made them, without
// showing them.
func same(a, b *Document) bool {
	return cmp.Equal(a, b, cmpopts.IgnoreFields(Document{}, "Signature", "ProvedBy"), cmp.Comparer(func(x, y secret.Value) bool { return x.Equal(y) }))
}

// testKeyring is the keyring of the vectors. A set of its own for each key
// seals with that key alone.
func testKeyring(t testing.TB) *Keyring {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKeyring(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// only returns the keyring reduced to one key.
func (k *Keyring) only(t testing.TB, id string) *Keyring {
	t.Helper()
	i := k.find(id)
	if i < 0 {
		t.Fatalf("no key %q", id)
	}
	return k.with(k.keys[i : i+1])
}

// goodHeader is what Seal writes for the key "aes" of the test keyring.
const goodHeader = `{"alg":"A256KW","enc":"A256GCM","kid":"aes","typ":"vaultferry-backup"}`

// craft seals by hand under any protected header: all is right but the form.
func craft(t testing.TB, k *Keyring, protected string, plain []byte) string {
	t.Helper()
	kek, ok := k.keys[k.find("aes")].private.([]byte)
	if !ok {
		t.Fatal("the key aes is no oct key")
	}
	cek := make([]byte, 32)
	_, _ = rand.Read(cek)
	wrapped, err := jcipher.KeyWrap(newAES(t, kek), cek)
	if err != nil {
		t.Fatal(err)
	}
	return craftWith(t, protected, cek, wrapped, plain)
}

// craftWith is craft with a content key of the caller's.
func craftWith(t testing.TB, protected string, cek, wrapped, plain []byte) string {
	t.Helper()
	iv := make([]byte, ivSize)
	_, _ = rand.Read(iv)
	gcm, err := cipher.NewGCM(newAES(t, cek))
	if err != nil {
		t.Fatal(err)
	}
	head := EncodeBase64URL([]byte(protected))
	sealed := gcm.Seal(nil, iv, plain, []byte(head))
	body, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	return fmt.Sprintf("%s%s.%s.%s.%s.%s", prefix, head, EncodeBase64URL(wrapped), EncodeBase64URL(iv), EncodeBase64URL(body), EncodeBase64URL(tag))
}

func newAES(t testing.TB, key []byte) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustEncode(t testing.TB, d *Document) []byte {
	t.Helper()
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustSeal(t testing.TB, k *Keyring, d *Document) []byte {
	t.Helper()
	b, err := k.Seal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
