package azurekv

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

const (
	doBackup  = "POST /secrets/s/backup"
	doRestore = "POST /secrets/restore"
)

// TestRecordedBackup: a backup that the service made, taken out and put back as
// it was recorded: refused while the name is being purged, taken after that.
func TestRecordedBackup(t *testing.T) {
	t.Parallel()
	const name = "testbackupsecret1387819847"
	all := exchanges(t)
	said := func(id int) http.HandlerFunc { return reply(all[id].Status, string(all[id].Body)) }
	b, vault := script(t, map[string][]http.HandlerFunc{
		"POST /secrets/" + name + "/backup":  {said(65)},
		doRestore:                            {said(70), said(71)},
		"GET /secrets/" + name + "/versions": {reply(200, listed0), reply(404, absent), reply(200, `{"value":[`+string(all[71].Body)+`],"nextLink":null}`)},
		"GET /deletedsecrets/" + name:        {reply(404, absent)},
	})
	blob, err := b.BackupNative(t.Context(), name)
	if err != nil || !b.OwnsBlob(blob) || bytes.Count(blob, []byte(".")) != 6 {
		t.Fatalf("the backup is not understood: %v", err)
	}
	s, err := b.RestoreNative(within(t, time.Minute), blob)
	if err != nil || s.Name != name || len(s.Versions) != 1 || !s.Created.Equal(time.Unix(1662158133, 0)) {
		t.Fatalf("the restored secret is not understood: %v", err)
	}
	if n := vault.count(doRestore); n != 2 {
		t.Errorf("%d restores, want 2", n)
	}
}

// TestRestoreRefused: what stands in the way of a restore is found out, and
// only what passes is waited for.
func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const quoted = `{"error":{"code":"Conflict","message":"There was a conflict restoring the secret 'https://v.vault.example/secrets/S/0123'. canary"}}`
		forbidden := reply(403, `{"error":{"code":"Forbidden","message":"vendor text"}}`)
		for what, c := range map[string]struct {
			answer         http.HandlerFunc
			live, trash    http.HandlerFunc
			want           secret.Kind
			named, repeats bool
		}{
			"live":             {reply(409, quoted), reply(200, listed1), nil, secret.AlreadyExists, true, false},
			"deleted":          {reply(409, quoted), reply(200, listed0), reply(200, dead), secret.Trashed, true, false},
			"being purged":     {reply(409, quoted), reply(200, listed0), reply(404, absent), secret.Conflict, true, true},
			"may not look":     {reply(409, quoted), forbidden, forbidden, secret.AlreadyExists, true, false},
			"may not see both": {reply(409, quoted), reply(200, listed0), forbidden, secret.AlreadyExists, true, false},
			"unnamed":          {reply(409, `{"error":{"code":"Conflict","message":"canary"}}`), nil, nil, secret.AlreadyExists, false, false},
			"hostile":          {reply(409, `{"error":{"code":"Conflict","message":"'https://v/secrets/a%2Fb/c'"}}`), nil, nil, secret.AlreadyExists, false, false},
			"busy":             {conflict("ObjectIsBeingDeleted"), nil, nil, secret.Conflict, false, true},
			"damaged":          {reply(400, `{"error":{"code":"Malformed backup blob","message":"vendor text"}}`), nil, nil, secret.Corrupt, false, false},
			"of another geography": {
				reply(400, `{"error":{"code":"BadParameter","message":"Cannot decrypt backup blob"}}`), nil, nil, secret.Corrupt, false, false,
			},
			"throttled":  {reply(429, ""), nil, nil, secret.Throttled, false, false},
			"no outcome": {reply(500, ""), nil, nil, secret.Unknown, false, false},
			"torn":       {reply(200, `{"id":`), nil, nil, secret.Unknown, false, false},
			"no version": {reply(200, `{"id":"https://v.vault.example/secrets/s","attributes":{"created":1}}`), nil, nil, secret.Unknown, false, false},
			"not let":    {forbidden, nil, nil, secret.Upstream, false, false},
		} {
			answers := map[string][]http.HandlerFunc{doRestore: {c.answer}}
			if c.live != nil {
				answers[getVersions] = []http.HandlerFunc{c.live}
			}
			if c.trash != nil {
				answers[getTrash] = []http.HandlerFunc{c.trash}
			}
			b, vault := script(t, answers)
			_, err := b.RestoreNative(within(t, brief), []byte(nativePrefix+"V1"))
			wantKind(t, what, err, c.want)
			checkText(t, err)
			if named := err != nil && strings.Contains(err.Error(), `("s")`); named != c.named {
				t.Errorf("%s: the error names the secret: %v", what, named)
			}
			if n := vault.count(doRestore); (n > 1) != c.repeats {
				t.Errorf("%s: restored %d times", what, n)
			}
		}
	})
}

// TestRestoreShowsLater: what cannot be read yet is told by what the vault
// said of it.
func TestRestoreShowsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := script(t, map[string][]http.HandlerFunc{doRestore: {reply(200, live)}, getVersions: {reply(200, listed0)}})
		s, err := b.RestoreNative(within(t, brief), []byte(nativePrefix+"V1"))
		if err != nil || s.Name != "s" || len(s.Versions) != 1 || s.Current != s.Versions[0].Ordinal {
			t.Errorf("restored: %v", err)
		}
	})
}

// TestBackupRefused: an endpoint whose backups are not Key Vault's own is not
// believed, and a large backup fits.
func TestBackupRefused(t *testing.T) {
	t.Parallel()
	large := `{"value":"KUF6dXJlS2V5VmF1bHRTZWNyZXRCYWNrdXBW` + strings.Repeat("A", 2*maxAnswer) + `"}`
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		want   secret.Kind // zero: none
	}{
		"ours":      {reply(200, `{"value":"KVZhdWx0ZmVycnlTZWNyZXRCYWNrdXBW"}`), secret.Unsupported},
		"nothing":   {reply(200, `{}`), secret.Unsupported},
		"no base64": {reply(200, `{"value":"+"}`), secret.Unavailable},
		"absent":    {reply(404, absent), secret.NotFound},
		"throttled": {reply(429, ""), secret.Throttled},
		"large":     {reply(200, large), 0},
	} {
		b, _ := script(t, map[string][]http.HandlerFunc{doBackup: {c.answer}})
		blob, err := b.BackupNative(context.WithoutCancel(t.Context()), "s")
		if c.want == 0 {
			if err != nil || len(blob) < maxAnswer {
				t.Errorf("%s: %d bytes, %v", what, len(blob), err)
			}
			continue
		}
		wantKind(t, what, err, c.want)
		checkText(t, err)
	}
}
