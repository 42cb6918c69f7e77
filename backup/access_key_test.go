package backup

import (
	"errors"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestAccessKeys: a sealed access key opens as what it was, also when its key is
// retired; nothing else passes for one, and it passes for nothing else.
func TestAccessKeys(t *testing.T) {
	t.Parallel()
	k := NewKeyring()
	key := AccessKey{Caller: "app", ID: "AKAPP", Secret: secret.TextValue("s3cr3t-marker")}
	sealed, err := k.SealAccessKey(key)
	if err != nil || strings.Contains(sealed, "AKAPP") {
		t.Fatal(err)
	}
	later, _, err := k.Add(AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	for _, ring := range []*Keyring{k, later} {
		got, err := ring.OpenAccessKey(sealed)
		if err != nil || got.Caller != key.Caller || got.ID != key.ID || !got.Secret.Equal(key.Secret) {
			t.Errorf("%v", err)
		}
	}
	session, err := k.SealSession([]byte(`{"caller":"app","id":"AKAPP","secret":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := k.SealAccessKey(AccessKey{Caller: "app"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]secret.Kind{
		session: secret.Corrupt, empty: secret.Corrupt, "": secret.Corrupt, sealed[:len(sealed)-2] + "AA": secret.Corrupt,
	} {
		if _, err := k.OpenAccessKey(text); secret.KindOf(err) != want || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := NewKeyring().OpenAccessKey(sealed); !errors.Is(err, secret.NoKey) {
		t.Errorf("another keyring: %v", err)
	}
	if _, err := k.OpenSession(sealed); err == nil {
		t.Error("it passes for a session")
	}
}
