package azurekv

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/loss"
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

// oddList is a vault that lists what people have reported, an entry without a
// name, and a secret whose versions it refuses to show.
func oddList(t *testing.T) *Backend {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "odd-items.json"))
	if err != nil {
		t.Fatal(err)
	}
	var items map[string]map[string]any
	if err := json.Unmarshal(raw, &items); err != nil {
		t.Fatal(err)
	}
	versions := map[string][]any{}
	entries := []any{nil, map[string]any{}, map[string]any{"id": "no id"}, map[string]any{"id": "https://kv.example/secrets/refused"}}
	for key, it := range items {
		name, _, _ := parseID(it["id"].(string))
		versions[name] = append(versions[name], it)
		if strings.HasPrefix(key, "tie-other") {
			continue
		}
		entry := maps.Clone(it)
		entry["id"] = "https://kv.example/secrets/" + name
		entries = append(entries, entry)
	}
	versions["malformed"] = []any{map[string]any{"id": "https://kv.example/secrets/a/b/c/d"}}
	entries = append(entries, map[string]any{"id": "https://kv.example/secrets/malformed"},
		map[string]any{"id": "https://kv.example/secrets/undecodable", "attributes": "canary"},
		map[string]any{"id": "https://kv.example/secrets/undecodable-tags", "tags": map[string]any{"a": 1}},
		map[string]any{"id": 7}, map[string]any{"id": "canary"}, 7,
		map[string]any{"id": "https://kv.example/secrets/under_score"},
		map[string]any{"id": "https://kv.example/secrets/VaultFerry-State-Events"})
	versions["undecodable"] = []any{map[string]any{"id": "https://kv.example/secrets/undecodable/1", "attributes": "canary"}}
	versions["undecodable-tags"] = []any{map[string]any{"id": "https://kv.example/secrets/undecodable-tags/1", "attributes": map[string]any{"enabled": true}}}
	page := func(value any) string {
		b, err := json.Marshal(map[string]any{"value": value, "nextLink": nil})
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	return stub(t, "kv.example", "https://kv.example", func(w http.ResponseWriter, r *http.Request) {
		_, rest, _ := strings.Cut(r.URL.Path, "/secrets")
		name, _, _ := strings.Cut(strings.Trim(rest, "/"), "/")
		switch {
		case name == "":
			reply(http.StatusOK, page(entries))(w, r)
		case name == "refused":
			reply(http.StatusForbidden, `{"error":{"code":"Forbidden","message":"canary","innererror":{"code":"ForbiddenByRbac"}}}`)(w, r)
		case strings.HasSuffix(rest, "/versions"):
			reply(http.StatusOK, page(versions[name]))(w, r)
		default:
			it := maps.Clone(versions[name][0].(map[string]any))
			if name == "tie" {
				it = maps.Clone(items["tie-current"])
			}
			it["value"] = "canary"
			b, err := json.Marshal(it)
			if err != nil {
				t.Error(err)
			}
			reply(http.StatusOK, string(b))(w, r)
		}
	}, func(c *Config) { c.DisableChallengeVerification = true })
}

// TestOddList: no odd secret hides another, each is shown as far as it can be
// read, and an error names the secret that it is about.
func TestOddList(t *testing.T) {
	t.Parallel()
	b := oddList(t)
	p, err := b.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var got []secret.Name
	for _, s := range p.Secrets {
		got = append(got, s.Name)
		if s.Find(secret.Current) == nil {
			t.Errorf("%s: the list does not show its current version", s.Name)
		}
	}
	want := []secret.Name{
		"before-1970", "malformed", "milliseconds", "no-attributes", "no-created", "null-attributes", "of-certificate", "refused", "tie", "undecodable", "undecodable-tags", "year-one",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the list has %q, want %q", got, want)
	}
	none := secret.LeftOut{Why: secret.LeftOutName}
	if want := append(slices.Repeat([]secret.LeftOut{none}, 6), secret.LeftOut{Why: secret.LeftOutName, Native: "under_score"}); !slices.Equal(p.LeftOut, want) {
		t.Errorf("left out is %q, want %q", p.LeftOut, want)
	}
	for _, name := range want {
		s, err := b.Export(t.Context(), name)
		if bad := name == "malformed" || name == "refused" || name == "undecodable"; bad {
			var e *secret.Error
			if !errors.As(err, &e) || e.Name != name || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v := s.Find(secret.Current); v == nil || v.Created.IsZero() || v.Value.IsNone() || v.Disabled {
			t.Errorf("%s: the current version reads otherwise", name)
		}
	}
	for what, read := range map[string]func(context.Context, secret.Name) (*secret.Secret, error){"Export": b.Export, "Describe": b.Describe} {
		ctx, foretold := loss.WithForetold(t.Context())
		if _, err := read(ctx, "tie"); err != nil || len(foretold()) != 3 || secret.Worst(foretold()) != secret.Trace {
			t.Errorf("%s of three versions of one second foretells %v: %v", what, foretold(), err)
		}
	}
	tie, err := b.Describe(t.Context(), "tie")
	if err != nil {
		t.Fatal(err)
	}
	cur, err := b.Get(t.Context(), "tie", secret.Current)
	if err != nil || tie.Current != 3 || tie.Previous != 2 || cur.Versions[0].Ordinal != 3 {
		t.Errorf("of three versions of one second %d is current and %d previous: %v", tie.Current, tie.Previous, err)
	}
}

// TestOddTrash: a deleted secret of which the vault says nothing is in the trash
// all the same.
func TestOddTrash(t *testing.T) {
	t.Parallel()
	b := stub(t, "kv.example", "https://kv.example", func(w http.ResponseWriter, r *http.Request) {
		body := `{"id":"https://kv.example/secrets/a/1"}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/b"):
			body = `{"id":"https://kv.example/secrets/b/1","attributes":"canary"}`
		case !strings.HasSuffix(r.URL.Path, "/a"):
			body = `{"value":[null,{"id":"?"},{"id":"https://kv.example/secrets/a","attributes":null},{"id":"https://kv.example/secrets/b","scheduledPurgeDate":"canary"}],"nextLink":null}`
		}
		reply(http.StatusOK, body)(w, r)
	}, func(c *Config) { c.DisableChallengeVerification = true })
	_, err := b.DescribeTrash(t.Context(), "b")
	if secret.DetailOf(err) != "Key Vault's answer is not what its API promises" || strings.Contains(err.Error(), "canary") {
		t.Errorf("an answer that does not decode: %v", err)
	}
	p, err := b.ListTrash(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 2 || p.Secrets[0].Name != "a" || p.Secrets[0].Deleted == nil || p.Secrets[1].Name != "b" || len(p.LeftOut) != 2 {
		t.Errorf("%d secrets are in the trash, and %q beside them: %v", len(p.Secrets), p.LeftOut, err)
	}
}

// TestOddNewest: a newest version that is disabled, and alone so in its second,
// is known for what it is.
func TestOddNewest(t *testing.T) {
	t.Parallel()
	off := func(it item) item { it.disabled = true; return it }
	for what, c := range map[string]struct {
		items []item
		want  string
	}{
		"one":            {[]item{native("a", 1), off(native("b", 1)), off(native("c", 0))}, "b"},
		"two":            {[]item{off(native("a", 1)), off(native("b", 1))}, ""},
		"none that late": {[]item{off(native("a", 0)), native("b", 1)}, ""},
	} {
		if got := onlyDisabled(c.items); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// TestToldOfKeyVault: the codes of a refusal are told, its text where it is known
// to the letter, a gateway's own reason, and nothing else.
func TestToldOfKeyVault(t *testing.T) {
	t.Parallel()
	const refused = "Key Vault refused the request (BadParameter)"
	for _, c := range []struct{ message, header, want string }{
		{`canary`, "", refused},
		{`Property  has invalid value\r\n`, "", refused + ": Property  has invalid value"},
		{`Caller is not authorized to perform action on resource.\r\nCaller: canary`, "", refused + ": Caller is not authorized to perform action on resource."},
		{`Backup blob is corrupt. canary`, "", refused},
		{`canary`, "tags: 17, at most 15", refused + ": tags: 17, at most 15"},
		{`canary`, "can\tary", refused},
	} {
		b := stub(t, "kv.example", "https://kv.example", reply(http.StatusBadRequest,
			`{"error":{"code":"BadParameter","message":"`+c.message+`"}}`, "Vaultferry-Reason: "+c.header),
			func(c *Config) { c.DisableChallengeVerification = true })
		_, err := b.Get(t.Context(), "s", secret.Current)
		if got := secret.DetailOf(err); got != c.want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s, %q: %q, want %q", c.message, c.header, got, c.want)
		}
	}
}
