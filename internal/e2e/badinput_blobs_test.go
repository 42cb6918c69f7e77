package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	azCorrupt  = "Backup blob is corrupt."
	azNoKey    = "Cannot decrypt backup blob."
	azRaw      = "its base64url form is wanted"
	azConflict = "There was a conflict restoring the secret 'https://"
	hwTaken    = "The secret name already exists."
	hwRefused  = "The request is not permitted."
)

// making returns a blob that is about to be restored.
type making func(*testing.T, *badWorld) []byte

// badBlobs: all that cannot be opened is refused in the same words, except
// for what the first bytes say.
var badBlobs = []badRow{
	{
		"of another keyring", azRestore("spare", inWire(foreign), 400, "Malformed backup blob", azNoKey, restoring(opAzure, "spare/-", "no key")),
		hwRestore("spare", inJSONOf("secret_blob", foreign), 400, "CSMS.0002", "which the keyring does not hold", restoring(opHuawei, "spare/-", "no key")),
	},
	{"of another keyring, cut in half", azCorrupted(half(foreign)), hwCorrupted(half(foreign))},
	{"a bit of the name turned", azCorrupted(turned(0, 7)), hwCorrupted(turned(0, 7))},
	{"a bit of the header turned", azCorrupted(turned(0, 60)), hwCorrupted(turned(0, 60))},
	{"a bit of the wrapped key turned", azCorrupted(turned(1, 9)), hwCorrupted(turned(1, 9))},
	{"a bit of the iv turned", azCorrupted(turned(2, 3)), hwCorrupted(turned(2, 3))},
	{"a bit of the text turned", azCorrupted(turned(3, 300)), hwCorrupted(turned(3, 300))},
	{"a bit of the tag turned", azCorrupted(turned(4, 5)), hwCorrupted(turned(4, 5))},
	{"cut in half", azCorrupted(cut(0.5)), hwCorrupted(cut(0.5))},
	{"cut by one", azCorrupted(cut(1)), hwCorrupted(cut(1))},
	{"cut to its name", azCorrupted(onlyName), hwCorrupted(onlyName)},
	{"a character more", azCorrupted(more("A")), hwCorrupted(more("A"))},
	{"a line end more", azCorrupted(more("\n")), nil}, // huawei: see TestBlanksAroundBlobs
	{"a part more", azCorrupted(more(".AAAA")), hwCorrupted(more(".AAAA"))},
	{"a wrapped data key", azCorrupted(dataKey), hwCorrupted(dataKey)},
	{"of the real Azure", azCloud(real("azure"), "made by Azure Key Vault, which alone can open it"), hwWrapped(real("azure"), "invalid", "")},
	{"of the real Azure, as its clients hold it", azSaying(azRaw, inJSON(real("azure"))), hwWrapped(inBase64(real("azure")), "invalid", "made by Azure Key Vault, which alone can restore it")},
	{"of the real Huawei", azCloud(real("huawei"), "made by Huawei Cloud CSMS, which alone can open it"), hwWrapped(real("huawei"), "invalid", "made by Huawei Cloud, which alone can restore it")},
	{"in the other dialect's wrapping", azSaying(azRaw, inJSON(taken)), hwWrapped(inBase64(taken), "invalid", "in the base64url form of Azure's clients")},
	{"with padding", azUnread(func(t *testing.T, w *badWorld) string {
		return `{"value":"` + base64.URLEncoding.EncodeToString(append(taken(t, w), "A"...)) + `=="}`
	}), nil},
	{"of the standard alphabet", azUnread(func(*testing.T, *badWorld) string { return `{"value":"++//"}` }), nil},
	{"with stray bits", azUnread(func(*testing.T, *badWorld) string { return `{"value":"KR"}` }), nil},
	{"with line ends within", azUnread(func(t *testing.T, w *badWorld) string {
		return `{"value":"` + base64.RawURLEncoding.EncodeToString(taken(t, w)) + `\nAAAA"}`
	}), nil},
	{
		"empty", azRestore("spare", inWire(nothing), 400, "Malformed backup blob", azCorrupt, restoring(opAzure, "spare/-", "corrupt")),
		hwWrapped(nothing, "invalid", "secret_blob is empty"),
	},
	{
		"absent", azRestore("spare", constantly(`{}`), 400, "BadParameter", azNoValue, refusing(opAzure, "tester", "spare/-", "invalid")),
		hwRestore("spare", constantly(`{}`), 400, "CSMS.0002", hwInvalid, refusing(opHuawei, "tester", "spare/-", "invalid")),
	},
	{
		"a number", azRestore("spare", constantly(`{"value":7}`), 400, "BadParameter", azInvalid, refusing(opAzure, "tester", "spare/-", "invalid")),
		hwRestore("spare", constantly(`{"secret_blob":7}`), 400, "CSMS.0004", hwFormat, refusing(opHuawei, "tester", "spare/-", "invalid")),
	},
	{
		"JSON cut in the blob", azRestore("spare", halved(inWire(taken)), 400, "BadParameter", azNoObject, refusing(opAzure, "tester", "spare/-", "invalid")),
		hwRestore("spare", halved(inJSONOf("secret_blob", taken)), 400, "CSMS.0004", hwFormat, refusing(opHuawei, "tester", "spare/-", "invalid")),
	},
	{
		"onto a name that is there", azRestore("main", inWire(taken), 409, "Conflict", azConflict+"main.vault.localhost:", restoring(opAzure, "main/taken", "already exists")),
		hwRestore("main", inJSONOf("secret_blob", taken), 400, "CSMS.0101", hwTaken, restoring(opHuawei, "main/taken", "already exists")),
	},
	{
		"twice", azRestore("spare", inWire(restored), 409, "Conflict", azConflict+"spare.vault.localhost:", restoring(opAzure, "spare/taken", "already exists")),
		hwRestore("spare", inJSONOf("secret_blob", restored), 400, "CSMS.0101", hwTaken, restoring(opHuawei, "spare/taken", "already exists")),
	},
	{
		"that would lose something", azRestore("strict", inWire(taken), 400, "BadParameter", "version 2", restoring(opAzure, "strict/taken", "lossy")),
		hwRestore("strict", inJSONOf("secret_blob", taken), 400, "CSMS.0003", "version 2", restoring(opHuawei, "strict/taken", "lossy")),
	},
	{
		"that would lose something, the reason", azRestore("strict", inWire(taken), 400, "BadParameter", "this product has no expiry", restoring(opAzure, "strict/taken", "lossy")),
		hwRestore("strict", inJSONOf("secret_blob", taken), 400, "CSMS.0003", "this product has no expiry", restoring(opHuawei, "strict/taken", "lossy")),
	},
	{
		"of a name that this API cannot show", nil,
		hwRestore("spare", inJSONOf("secret_blob", longName), 400, "CSMS.0002", hwInvalid, restoring(opHuawei, "spare/"+strings.Repeat("n", 90), "invalid")),
	},
}

// badPolicy: what the caller may not do, whoever holds the blob.
var badPolicy = []badRow{
	{
		"a blob from a store that the caller may not read",
		azDenied("spare", inWire(theirs), "restore", restoring(opAzure, "spare/theirs", "denied")),
		hwRestore("spare", inJSONOf("secret_blob", theirs), 403, "CSMS.0302", hwRefused, restoring(opHuawei, "spare/theirs", "denied")),
	},
	{
		"a blob from another gateway with the same keys",
		azDenied("spare", inWire(elsewhere), "restore", restoring(opAzure, "spare/taken", "denied")),
		hwRestore("spare", inJSONOf("secret_blob", elsewhere), 403, "CSMS.0302", hwRefused, restoring(opHuawei, "spare/taken", "denied")),
	},
	{
		"into a store that is read-only",
		azReadOnly("locked", inWire(taken), "restore", reading(opAzure, "restore", "locked/-", "denied")),
		hwRestore("locked", inJSONOf("secret_blob", taken), 403, "CSMS.0302", hwRefused, reading(opHuawei, "restore", "locked/-", "denied")),
	},
	{
		"into a store of others, a blob that does not open", // nobody learns whether it opens
		azDenied("private", inWire(foreign), "restore", reading(opAzure, "restore", "private/-", "denied")),
		hwRestore("private", inJSONOf("secret_blob", foreign), 403, "CSMS.0302", hwRefused, reading(opHuawei, "restore", "private/-", "denied")),
	},
	{
		"get", &exchange{
			store: "private", method: httpGet, path: "/secrets/theirs", status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", message: "does not have secrets get permission on key vault 'private;",
			audit: reading("azure.GetSecret", "get", "private/theirs", "denied"),
		},
		&exchange{
			store: "private", method: httpGet, path: "/secrets/theirs/versions/latest", status: 403, code: "CSMS.0302", message: hwRefused,
			audit: reading("huawei.ShowSecretVersion", "get", "private/theirs", "denied"),
		},
	},
	{
		"get of what is not there", &exchange{
			store: "private", method: httpGet, path: "/secrets/nobody", status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", message: "does not have secrets get permission",
			audit: reading("azure.GetSecret", "get", "private/nobody", "denied"),
		},
		&exchange{
			store: "private", method: httpGet, path: "/secrets/nobody", status: 403, code: "CSMS.0302", message: hwRefused,
			audit: reading("huawei.ShowSecret", "list", "private/nobody", "denied"),
		},
	},
	{
		"list", &exchange{
			store: "private", method: httpGet, path: "/secrets", status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", message: "does not have secrets list permission",
			audit: reading("azure.ListSecrets", "list", "private/-", "denied"),
		},
		&exchange{
			store: "private", method: httpGet, path: "/secrets", status: 403, code: "CSMS.0302", message: hwRefused,
			audit: reading("huawei.ListSecrets", "list", "private/-", "denied"),
		},
	},
	{
		"backup", &exchange{
			store: "private", method: httpPost, path: "/secrets/theirs/backup", status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", message: "does not have secrets backup permission",
			audit: reading("azure.BackupSecret", "backup", "private/theirs", "denied"),
		},
		&exchange{
			store: "private", method: httpPost, path: "/secrets/theirs/backup", status: 403, code: "CSMS.0302", message: hwRefused,
			audit: reading("huawei.DownloadSecretBlob", "backup", "private/theirs", "denied"),
		},
	},
	{
		"write where it is read-only", &exchange{
			store: "locked", method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `"}`, status: 403, code: "Forbidden", inner: "ForbiddenByPolicy",
			message: `Operation "set" is not allowed because this vault is read-only.`, audit: reading("azure.SetSecret", "set", "locked/new", "denied"),
		},
		&exchange{
			store: "locked", method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`, status: 403, code: "CSMS.0302", message: hwRefused,
			audit: reading("huawei.CreateSecret", "set", "locked/new", "denied"),
		},
	},
}

const (
	opAzure  = "azure.RestoreSecret"
	opHuawei = "huawei.UploadSecretBlob"
)

func azRestore(store string, made func(*testing.T, *badWorld) string, status int, code, message string, audit []string) *exchange {
	return &exchange{store: store, method: httpPost, path: "/secrets/restore", made: made, status: status, code: code, message: message, audit: audit}
}

func hwRestore(store string, made func(*testing.T, *badWorld) string, status int, code, message string, audit []string) *exchange {
	return azRestore(store, made, status, code, message, audit)
}

func azDenied(store string, made func(*testing.T, *badWorld) string, action string, audit []string) *exchange {
	x := azRestore(store, made, 403, "Forbidden", "does not have secrets "+action+" permission on key vault '"+store+";", audit)
	x.inner = "ForbiddenByPolicy"
	return x
}

func azReadOnly(store string, made func(*testing.T, *badWorld) string, action string, audit []string) *exchange {
	x := azDenied(store, made, action, audit)
	x.message = `Operation "` + action + `" is not allowed because this vault is read-only.`
	return x
}

// azCorrupted and hwCorrupted expect that the keyring was asked and refused.
func azCorrupted(b making) *exchange {
	return azRestore("spare", inWire(b), 400, "Malformed backup blob", azCorrupt, restoring(opAzure, "spare/-", "corrupt"))
}

// azCloud expects to be told what it is.
func azCloud(b making, said string) *exchange {
	return azRestore("spare", inWire(b), 400, "Malformed backup blob", said, restoring(opAzure, "spare/-", "corrupt"))
}

func hwCorrupted(b making) *exchange {
	return hwRestore("spare", inJSONOf("secret_blob", b), 400, "CSMS.0002", hwInvalid, restoring(opHuawei, "spare/-", "corrupt"))
}

// azUnread and hwWrapped expect that the dialect saw it.
func azUnread(made func(*testing.T, *badWorld) string) *exchange { return azSaying(azCorrupt, made) }

func azSaying(said string, made func(*testing.T, *badWorld) string) *exchange {
	return azRestore("spare", made, 400, "Malformed backup blob", said, refusing(opAzure, "tester", "spare/-", "corrupt"))
}

func hwWrapped(b making, result, said string) *exchange {
	if said == "" { // the keyring's word
		return hwRestore("spare", inJSONOf("secret_blob", b), 400, "CSMS.0002", "made by Azure Key Vault, which alone can open it", restoring(opHuawei, "spare/-", "corrupt"))
	}
	return hwRestore("spare", inJSONOf("secret_blob", b), 400, "CSMS.0002", said, refusing(opHuawei, "tester", "spare/-", result))
}

// restoring is the lines of a restore: one that is not opened, or not allowed,
// was never intended.
func restoring(op, where, result string) []string {
	outcome := "outcome " + op + " tester restore " + where + " " + result
	if strings.HasSuffix(where, "/-") || result == "denied" || result == "invalid" { // before it was known, or let
		return []string{outcome}
	}
	return []string{"intent " + op + " tester restore " + where, outcome}
}

// How blobs get into bodies.

func inWire(b making) func(*testing.T, *badWorld) string {
	return func(t *testing.T, w *badWorld) string {
		return `{"value":"` + base64.RawURLEncoding.EncodeToString(b(t, w)) + `"}`
	}
}

func inJSON(b making) func(*testing.T, *badWorld) string { return inJSONOf("value", b) }

func inJSONOf(member string, b making) func(*testing.T, *badWorld) string {
	return func(t *testing.T, w *badWorld) string {
		body, err := json.Marshal(map[string]string{member: string(b(t, w))})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
}

func halved(f func(*testing.T, *badWorld) string) func(*testing.T, *badWorld) string {
	return func(t *testing.T, w *badWorld) string {
		s := f(t, w)
		return s[:len(s)/2]
	}
}

func constantly(body string) func(*testing.T, *badWorld) string {
	return func(*testing.T, *badWorld) string { return body }
}

func inBase64(b making) making {
	return func(t *testing.T, w *badWorld) []byte {
		return []byte(base64.RawURLEncoding.EncodeToString(b(t, w)))
	}
}

// The blobs.

func nothing(*testing.T, *badWorld) []byte { return nil }

func taken(t *testing.T, w *badWorld) []byte { return w.blob(t, "main", "taken") }

func theirs(t *testing.T, w *badWorld) []byte { return w.blob(t, "private", "theirs") }

// turned turns one bit of a part of the blob; part 0 begins with its name.
func turned(part, at int) making {
	return func(t *testing.T, w *badWorld) []byte {
		b := taken(t, w)
		start := 0
		if part > 0 {
			name := bytes.LastIndexByte(b[:60], '.') + 1 // the name has dots too
			parts := bytes.Split(b[name:], []byte("."))
			start = name
			for _, before := range parts[:part] {
				start += len(before) + 1
			}
		}
		b[start+at] ^= 1
		return b
	}
}

// cut keeps a part of the blob; 1: all but its last character.
func cut(keep float64) making {
	return func(t *testing.T, w *badWorld) []byte {
		b := taken(t, w)
		return b[:min(len(b)-1, int(keep*float64(len(b))))]
	}
}

// half is the first half of another blob.
func half(b making) making {
	return func(t *testing.T, w *badWorld) []byte {
		whole := b(t, w)
		return whole[:len(whole)/2]
	}
}

func onlyName(t *testing.T, w *badWorld) []byte { return taken(t, w)[:42] }

func more(s string) making {
	return func(t *testing.T, w *badWorld) []byte { return append(taken(t, w), s...) }
}

// foreign is the same document under keys that this gateway does not have.
func foreign(t *testing.T, w *badWorld) []byte {
	return resealed(t, w, gatewaytest.NewKeyring(t), func(*backup.Document) {})
}

// elsewhere says that another gateway sealed it.
func elsewhere(t *testing.T, w *badWorld) []byte {
	return resealed(t, w, w.Keyring, func(d *backup.Document) { d.Origin.Gateway = "another" })
}

func longName(t *testing.T, w *badWorld) []byte {
	return resealed(t, w, w.Keyring, func(d *backup.Document) { d.Secret.Name = secret.Name(strings.Repeat("n", 90)) })
}

func resealed(t *testing.T, w *badWorld, k *backup.Keyring, change func(*backup.Document)) []byte {
	doc, err := w.Keyring.Open(taken(t, w))
	if err != nil {
		t.Fatal(err)
	}
	change(doc)
	b, err := k.Seal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// restored is a blob that has been restored already.
func restored(t *testing.T, w *badWorld) []byte {
	b := taken(t, w)
	if _, err := w.Service.Restore(t.Context(), owner, "spare", b, gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// dataKey is a store's key that passes itself off as a blob.
func dataKey(t *testing.T, w *badWorld) []byte {
	wrapped, err := w.Keyring.WrapKey(bytes.Repeat([]byte{7}, 32), "")
	if err != nil {
		t.Fatal(err)
	}
	return append(onlyName(t, w), wrapped...)
}

// real is a blob with the outside that a cloud gives its own.
func real(cloud string) making {
	return func(t *testing.T, _ *badWorld) []byte {
		text, err := os.ReadFile(filepath.Join("..", "..", "backup", "testdata", "vectors", "clouds.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := bytes.Cut(text, []byte("-- "+cloud+" --\n"))
		blob, _, _ := bytes.Cut(rest, []byte("\n"))
		if !ok || len(blob) < 100 {
			t.Fatalf("there is no blob of %s", cloud)
		}
		return blob
	}
}
