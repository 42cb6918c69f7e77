package azurekv

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// oddVault is a vault that holds one version of the secret s, about which it
// says only what attributes are.
func oddVault(t *testing.T, attributes string) *Backend {
	t.Helper()
	const id = `"id":"https://kv.example/secrets/s/0123456789abcdef0123456789abcdef"`
	return stub(t, "kv.example", "https://kv.example", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/versions"):
			reply(http.StatusOK, `{"value":[{`+id+attributes+`}],"nextLink":null}`)(w, r)
		default:
			reply(http.StatusOK, `{"value":"canary",`+id+attributes+`}`)(w, r)
		}
	}, func(c *Config) { c.DisableChallengeVerification = true })
}

// TestOddTimes: whatever times the vault tells, the secret can be read and
// backed up, an end stays an end, and what is cut is foretold.
func TestOddTimes(t *testing.T) {
	t.Parallel()
	const rest = `,"created":1569456000,"updated":1569456000}`
	for attributes, want := range map[string]struct {
		start, end time.Time
		losses     int
	}{
		`,"attributes":{"exp":1569456000000` + rest:                      {end: secret.Last, losses: 1},
		`,"attributes":{"exp":-62135596800` + rest:                       {end: secret.First},
		`,"attributes":{"exp":-62135596801` + rest:                       {end: secret.First},
		`,"attributes":{"nbf":-315619200` + rest:                         {start: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)},
		`,"attributes":{"nbf":253402300799,"exp":253402300799` + rest:    {start: secret.AtSecond(secret.MaxSecond), end: secret.AtSecond(secret.MaxSecond)},
		`,"attributes":{"exp":9223372036854775807` + rest:                {end: secret.Last, losses: 1},
		`,"attributes":{"created":1569456000000,"updated":-99999999999}`: {},
	} {
		b := oddVault(t, attributes)
		s, err := b.Export(t.Context(), "s")
		if err != nil {
			t.Errorf("%s: %v", attributes, err)
			continue
		}
		v := s.Versions[0]
		if !v.Expires.Equal(want.end) || !v.NotBefore.Equal(want.start) {
			t.Errorf("%s: from %v to %v", attributes, v.NotBefore, v.Expires)
		}
		if losses := secret.ExportLosses(s); len(losses) != want.losses || secret.Worst(losses) > secret.Trace {
			t.Errorf("%s: the losses are %v", attributes, losses)
		}
		k, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
		if err != nil {
			t.Fatal(err)
		}
		blob, err := k.Seal(&backup.Document{Origin: backup.Origin{Gateway: "g", Store: "s", Name: "s"}, SealedAt: time.Unix(1_569_456_000, 0), Secret: s})
		if err != nil {
			t.Errorf("%s: sealing: %v", attributes, err)
			continue
		}
		if d, err := k.Open(blob); err != nil || !d.Secret.Versions[0].Expires.Equal(want.end) {
			t.Errorf("%s: a backup has another expiry: %v", attributes, err)
		}
	}
}
