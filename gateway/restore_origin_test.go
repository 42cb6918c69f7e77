package gateway_test

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// A keyring opens what others sealed with it; whose it is says the gateway's id.
func TestGatewaysOfOneKeyringAreToldApart(t *testing.T) {
	t.Parallel()
	keys := backup.NewKeyring()
	of := func(id string, rules ...access.Rule) *world {
		return newWorld(t, func(o *gateway.Options) { o.Keyring, o.ID = keys, id }, rules...)
	}
	production, other := strings.Repeat("a", 32), strings.Repeat("b", 32)
	from := everything
	from.From = []string{"a", "b"} // of this gateway
	anywhere := everything
	anywhere.From = []string{"*"}
	for what, c := range map[string]struct {
		sealer, opener string
		rule           access.Rule
		refused        bool
	}{
		"another gateway's":                {production, other, everything, true},
		"its own":                          {production, production, everything, false},
		"a keyring's, at one with an id":   {"", other, everything, true},
		"a gateway's, at one without id":   {production, "", everything, true},
		"neither has an id":                {"", "", everything, false},
		"the id is the keyring's":          {"", keys.GatewayID(), everything, false},
		"another's, with stores named":     {production, other, from, true},
		"another's, from anywhere allowed": {production, other, anywhere, false},
	} {
		w := of(c.sealer)
		put(t, w, refA, "hush")
		blob, err := w.Backup(t.Context(), call, refA)
		if err != nil {
			t.Fatal(err)
		}
		_, err = of(c.opener, c.rule).Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{})
		if c.refused != (secret.KindOf(err) == secret.Denied) || !c.refused && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whoever holds the public half of an asymmetric key can name any origin in a
// blob. Where proof is required, that takes a key that signs.
func TestAForgedOriginIsNoProof(t *testing.T) {
	t.Parallel()
	keys, err := backup.NewKeyringOf(backup.AlgECDH, backup.AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	half, err := keys.Public()
	if err != nil {
		t.Fatal(err)
	}
	open := func(keys *backup.Keyring, proof bool) *world {
		return newWorld(t, func(o *gateway.Options) { o.Keyring, o.RequireProof = keys, proof })
	}
	blobOf := func(keys *backup.Keyring) []byte {
		w := open(keys, false)
		put(t, w, refA, "hush")
		blob, err := w.Backup(t.Context(), call, refA)
		if err != nil {
			t.Fatal(err)
		}
		return blob
	}
	symmetric := backup.NewKeyring()
	for what, c := range map[string]struct {
		sealer, opener *backup.Keyring
		proof, refused bool
	}{
		"forged, proof required":           {half, keys, true, true},
		"forged, no proof required":        {half, keys, false, false},
		"signed":                           {keys, keys, true, false},
		"under a symmetric key":            {symmetric, symmetric, true, false},
		"a symmetric key needs no signing": {symmetric, symmetric, false, false},
	} {
		blob := blobOf(c.sealer)
		for _, dry := range []bool{true, false} {
			w := open(c.opener, c.proof)
			_, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{DryRun: dry})
			if c.refused != (secret.KindOf(err) == secret.Denied) || !c.refused && err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := w.a.Backend.Describe(t.Context(), "n"); (err == nil) == (c.refused || dry) {
				t.Errorf("%s: what stands after it: %v", what, err)
			}
			if e := w.last(t); c.refused && (e.Result != "denied" || e.Phase != "outcome") {
				t.Errorf("%s: audited as %+v", what, e)
			}
		}
	}
}
