package backup_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

func repositorySecret() *secret.Secret {
	return &secret.Secret{Name: "team/db", Current: 1, Versions: []secret.Version{{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("canary-value")}}}
}

// TestRepositoryKey: it crosses by its wrapping alone, to whoever it is wrapped for.
func TestRepositoryKey(t *testing.T) {
	t.Parallel()
	r := backup.NewRepositoryKey()
	name, err := r.Name(repositorySecret())
	if err != nil || len(name) != 64 {
		t.Fatal(name, err)
	}
	blob, err := r.Seal(&backup.Document{Origin: backup.Origin{Gateway: "g", Store: "s", Name: "team/db"}, SealedAt: time.Unix(1796040000, 0), Secret: repositorySecret()})
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{backup.AlgA256KW, backup.AlgECDH, backup.AlgRSA} {
		keys, err := backup.NewKeyringOf(alg)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, kid, err := keys.WrapRepositoryKey(r)
		if err != nil || kid != keys.Keys()[0].ID {
			t.Fatal(kid, err)
		}
		again, err := keys.UnwrapRepositoryKey(wrapped)
		if err != nil || again.ID() != r.ID() {
			t.Fatal(err)
		}
		if n, err := again.Name(repositorySecret()); n != name || err != nil {
			t.Error("another name", err)
		}
		d, err := again.Open(blob)
		if err != nil || !d.Secret.Versions[0].Value.Equal(secret.TextValue("canary-value")) {
			t.Fatal(err)
		}
		if proved := d.ProvedBy != ""; proved != (alg == backup.AlgA256KW) {
			t.Errorf("%s: proved %v", alg, proved)
		}
		for i := 0; i < len(wrapped); i += 1 + len(wrapped)/256 {
			changed := []byte(wrapped)
			changed[i] ^= 1
			if _, err := keys.UnwrapRepositoryKey(string(changed)); err == nil {
				t.Errorf("%s: byte %d was changed and nobody noticed", alg, i)
			}
		}
		if _, err := keys.UnwrapRunKey(wrapped); err == nil {
			t.Error("it passes for a run key")
		}
		if _, err := backup.NewKeyring().UnwrapRepositoryKey(wrapped); !errors.Is(err, secret.NoKey) {
			t.Errorf("another keyring: %v", err)
		}
		if public, err := keys.Public(); err == nil {
			if _, err := public.UnwrapRepositoryKey(wrapped); !errors.Is(err, secret.Unsupported) {
				t.Errorf("a public half: %v", err)
			}
		}
	}
	if s := fmt.Sprintf("%v %+v", r, r); strings.Contains(s, `"k"`) {
		t.Error("it prints")
	}
}

// TestRepositoryNames: the name is of all that a secret holds, and of nothing else.
func TestRepositoryNames(t *testing.T) {
	t.Parallel()
	r := backup.NewRepositoryKey()
	seen := map[string]string{}
	for what, change := range map[string]func(*secret.Secret){
		"nothing":      func(*secret.Secret) {},
		"the name":     func(s *secret.Secret) { s.Name = "team/other" },
		"the value":    func(s *secret.Secret) { s.Versions[0].Value = secret.TextValue("other") },
		"the form":     func(s *secret.Secret) { s.Versions[0].Value = secret.BinaryValue([]byte("canary-value")) },
		"a tag":        func(s *secret.Secret) { s.Tags = map[string]string{"a": "b"} },
		"an empty set": func(s *secret.Secret) { s.Tags = map[string]string{} },
		"disabled":     func(s *secret.Secret) { s.Versions[0].Disabled = true },
		"another version": func(s *secret.Secret) {
			s.Versions = append(s.Versions, secret.Version{Ordinal: 2, UID: secret.UID{2}, Value: secret.TextValue("x")})
		},
	} {
		s := repositorySecret()
		change(s)
		n, err := r.Name(s)
		if err != nil {
			t.Fatal(err)
		}
		d := &backup.Document{Origin: backup.Origin{Gateway: "g", Store: "s", Name: "from"}, SealedAt: time.Unix(1e9, 0).UTC(), Secret: s, Signature: "none"}
		if p, err := r.Prepare(d); err != nil || p.Name != n {
			t.Errorf("%s: prepared, it has another name: %v", what, err)
		} else if blob, err := p.Seal(); err != nil {
			t.Error(err)
		} else if got, err := r.Open(blob); err != nil || got.Signature != "" || got.Origin != d.Origin || !got.SealedAt.Equal(d.SealedAt) {
			t.Errorf("%s: what was prepared opens as %v, %v", what, got, err)
		} else if again, err := r.Name(got.Secret); err != nil || again != n {
			t.Errorf("%s: what was sealed has another name: %v", what, err)
		}
		if seen[n] != "" {
			t.Errorf("%s and %s have one name", what, seen[n])
		}
		seen[n] = what
	}
	other, err := backup.NewRepositoryKey().Name(repositorySecret())
	if err != nil || seen[other] != "" {
		t.Error("another repository names it alike", err)
	}
}
