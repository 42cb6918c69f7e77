package huawei

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// addBodies seeds f with the bodies of the golden files.
func addBodies(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(data).Files {
			if _, body, ok := strings.Cut(string(file.Data), "\n\n"); ok && file.Name == "request" {
				f.Add([]byte(strings.TrimSuffix(body, "\n")))
			}
		}
	}
	f.Add([]byte(`{"name":"n","secret_string":"\ud83d\ude00\\ud800","version_stages":["a"]}`))
	f.Add([]byte(`{"secret_string":"\ud800x"}`))
}

// FuzzCreateSecretBody: what is taken keeps its value to the byte.
func FuzzCreateSecretBody(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body createSecretBody
		if decode(raw, &body) != nil {
			return
		}
		v, err := readValue(body.SecretString, body.SecretBinary)
		if err != nil {
			return
		}
		if v.Form() == secret.Binary && base64.StdEncoding.EncodeToString(v.Reveal()) != *body.SecretBinary {
			t.Error("base64 that is not canonical was taken")
		}
		if v.Form() == secret.Text && bytes.ContainsRune(v.Reveal(), utf8.RuneError) &&
			!bytes.ContainsRune(raw, utf8.RuneError) && !bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)) {
			t.Error("the decoder replaced part of the value")
		}
		if _, err := body.attributes(); err == nil && len(body.Description) > maxDescription {
			t.Error("a long description was taken")
		}
	})
}

// FuzzCreateVersionBody: what is taken obeys the grammar of stages and times.
func FuzzCreateVersionBody(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body createVersionBody
		if decode(raw, &body) != nil {
			return
		}
		d, err := body.draft()
		if err != nil {
			return
		}
		if d.Expires.Nanosecond() != 0 || (d.TakePrevious && !d.KeepCurrent) || len(d.Stages) > maxStages {
			t.Error("a draft that breaks the rules")
		}
		for _, s := range d.Stages {
			if !label(s, "-_.") || isRole(s) {
				t.Errorf("stage %q", s)
			}
		}
	})
}

// FuzzBlobBody: nothing but what starts as our own backups reaches the service.
func FuzzBlobBody(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body blobBody
		if decode(raw, &body) == nil && checkWrapping(body.Blob) == nil && (len(body.Blob) == 0 || body.Blob[0] != ')') {
			t.Error("taken")
		}
	})
}

// FuzzDecodeAgrees: decode takes no more than encoding/json does, and no
// member of another spelling, or twice, wherever it stands.
func FuzzDecodeAgrees(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body blobBody
		if decode(raw, &body) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		if brace, err := dec.Token(); err != nil || brace != json.Delim('{') {
			t.Fatalf("not an object: %v", err)
		}
		for n := 0; dec.More(); n++ {
			var skip json.RawMessage
			if key, err := dec.Token(); err != nil || key != "secret_blob" || n > 0 || dec.Decode(&skip) != nil {
				t.Errorf("member %d is %v (%v)", n, key, err)
			}
		}
	})
}

// FuzzSelector: an id that is taken is the one that the wire shows.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"v1", "v0", "v01", "latest", "v9999999999", "v10000000000", "V1", "", "v+1", "v1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if sel, err := selector(id); err == nil && !sel.IsCurrent() && versionID(sel.Ordinal) != id {
			t.Errorf("%q was taken for %s", id, sel)
		} else if err == nil && sel.IsCurrent() != (id == latest) {
			t.Errorf("%q selects the current version", id)
		}
	})
}

// FuzzName: names of the wire and of the model map one to one.
func FuzzName(f *testing.F) {
	for _, s := range []string{"demo", "A.b_c-1", "x0-", "x0-c5h66", "a/b", "é", strings.Repeat("n", 65)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := ModelName(s); err == nil {
			if back, err := WireName(name); err != nil || back != s {
				t.Errorf("%q reads as a name that is written %q (%v)", s, back, err)
			}
		}
		if wired, err := WireName(secret.Name(s)); err == nil {
			if back, err := ModelName(wired); err != nil || string(back) != s || !label(wired, "-_.") {
				t.Errorf("%q is written %q, which reads %q (%v)", s, wired, back, err)
			}
		}
	})
}

// FuzzPage: every query is refused or bounded.
func FuzzPage(f *testing.F) {
	for _, s := range []string{"", "limit=2&marker", "limit=0", "limit=2&limit=3", "marker=%zz", "event_name=ev;limit=9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		if p, err := parsePage(&request{Request: &wire.Request{Request: r}}); err == nil && (p.limit < 1 || p.limit > maxLimit) {
			t.Errorf("limit %d", p.limit)
		}
	})
}

// FuzzTagBodies: what is taken obeys the grammar of tags, each key once.
func FuzzTagBodies(f *testing.F) {
	addBodies(f)
	f.Add([]byte(`{"tags":[{"key":"k","value":"v"},{"key":"k2"}],"action":"create"}`))
	f.Add([]byte(`{"tags":[{"key":"\u0085k"}],"action":"create"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body changeTagsBody
		if decode(raw, &body) != nil {
			return
		}
		tags, err := readTags(body.Tags)
		if err != nil {
			return
		}
		if len(tags) != len(body.Tags) || len(tags) > maxTags {
			t.Errorf("%d tags of %d", len(tags), len(body.Tags))
		}
		for k := range tags {
			if k == "" || strings.TrimSpace(k) != k || strings.HasPrefix(k, systemTag) || strings.ContainsAny(k, "/,\"\\\n") {
				t.Errorf("the key %q is taken", k)
			}
		}
	})
}

// FuzzInstancesBody: what is taken asks for a page within bounds, the one that
// the same numbers as text ask for.
func FuzzInstancesBody(f *testing.F) {
	addBodies(f)
	for _, n := range []string{"1", "-0", "007", "1.5", "1e1", "true", "{}", `"1"`, `" 1"`, "99999999999999999999"} {
		f.Add([]byte(`{"action":"filter","limit":` + n + `,"offset":` + n + `}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body instancesBody
		if decode(raw, &body) != nil {
			return
		}
		q, err := body.filter()
		if err != nil {
			return
		}
		if q.limit < 1 || q.limit > maxLimit || q.offset < 0 || len(q.tags) > maxFilters || len(q.names) > maxFilters {
			t.Errorf("%+v is taken", q)
		}
		q.meets("name", map[string]string{"k": "v"})
		asText, err := json.Marshal(body.Limit)
		if err != nil {
			t.Fatal(err)
		}
		var again instancesBody
		if decode([]byte(`{"action":"filter","limit":`+string(asText)+`}`), &again) != nil || again.Limit != body.Limit {
			t.Errorf("%s as text is another number", asText)
		}
	})
}

// FuzzEventBody: what is taken obeys the grammar of events, and shows as it was
// given.
func FuzzEventBody(f *testing.F) {
	addBodies(f)
	f.Add([]byte(`{"name":"e","event_types":["SECRET_DELETED"],"state":"ENABLED","notification":{"target_type":"SMN","target_id":"u","target_name":"n"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body eventBody
		if decode(raw, &body) != nil {
			return
		}
		e, err := body.event()
		if err != nil {
			return
		}
		o := renderEvent(&e)
		if !label(e.Name, "-_") || o.Name != *body.Name || !slices.Equal(o.Types, *body.Types) || o.State != *body.State || len(e.Target.ID) > maxTarget || o.Notification.Type != targetSMN {
			t.Errorf("%+v is taken", e)
		}
	})
}

// FuzzTaskQuery: task_id stands alone in every query that is taken.
func FuzzTaskQuery(f *testing.F) {
	for _, s := range []string{"", "task_id=a", "task_id=a&limit=1", "status=SUCCESS&limit=50&marker=x&secret_name=s", "limit=0", "status", "task_id=%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if checkTaskQuery(raw) != nil {
			return
		}
		q, err := url.ParseQuery(raw)
		if err != nil || q.Get("task_id") != "" && q.Get("secret_name")+q.Get("status")+q.Get("limit")+q.Get("marker") != "" {
			t.Errorf("%q is taken", raw)
		}
	})
}

// FuzzOtherBodies: no body makes a decoder panic, and what is taken is within
// bounds.
func FuzzOtherBodies(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var update updateSecretBody
		if decode(raw, &update) == nil && update.check() == nil {
			if update.Description != nil && len(*update.Description) > maxDescription || update.KMSKeyID != nil && *update.KMSKeyID != "" && !isUUID(*update.KMSKeyID) {
				t.Error("an update beyond its bounds is taken")
			}
		}
		var password passwordBody
		if decode(raw, &password) == nil && (password.Length == nil || *password.Length < 200) {
			if p, err := password.generate(); err == nil && (strings.ContainsAny(p, password.Exclude) || password.Length != nil && len(p) != *password.Length) {
				t.Error("the password is not what was asked for")
			}
		}
		var batch importBody
		if decode(raw, &batch) == nil {
			for _, item := range batch.Secrets {
				var one createSecretBody
				_ = decode(item, &one)
			}
		}
		for _, into := range []any{new(stageBody), new(newStageBody), new(scheduleBody), new(deleteBody), new(showVersionsBody), new(updateVersionBody)} {
			_ = decode(raw, into)
		}
	})
}

// FuzzLoginBody: no login makes the decoder panic, and what it refuses it does
// not repeat.
func FuzzLoginBody(f *testing.F) {
	for _, s := range []string{
		`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"alice","password":"s3cr3t","domain":{"name":"acct"}}}},"scope":{"project":{"name":"p"}}}}`,
		`{"auth":{"identity":{"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":"a"},"secret":{"key":"s3cr3t"}}}}}`,
		`{"auth":{"identity":{"methods":["token"],"token":{"id":"s3cr3t","duration_seconds":900}},"scope":{"domain":null}}}`,
		`{"auth":null}`, `[]`, `"s3cr3t"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(raw))
		body, err := readLogin(&wire.Request{Request: r})
		if err != nil {
			if text := err.Error(); len(raw) > 8 && strings.Contains(text, string(raw)) {
				t.Errorf("the refusal repeats the body: %s", text)
			}
			return
		}
		if len(body.Auth.Identity.Methods) == 0 {
			t.Error("a login without a method")
		}
	})
}

// FuzzVersionMarker: a marker that is taken is the one that is given out.
func FuzzVersionMarker(f *testing.F) {
	for _, s := range []string{"", "v1", "v12.1700000000123", "v1.", "v0", "v1.-1", "v01", "v1.0.0", "v99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := parseVersionMarker(s)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid && secret.KindOf(err) != secret.NotFound {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if again, err := parseVersionMarker(k.String()); s != "" && (err != nil || again != k) {
			t.Fatalf("%q is %+v, which is %q: %v", s, k, k.String(), err)
		}
	})
}

// FuzzMadeID: no id is taken but one that was made for the store.
func FuzzMadeID(f *testing.F) {
	x := newIDs([]byte("key"), time.Now)
	id := x.of("a", "n")
	for _, s := range []string{"", id, strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), newIDs([]byte("other"), time.Now).of("a", "n")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x.made("a", s) && s != id || x.made("b", s) {
			t.Fatalf("%q is taken", s)
		}
	})
}
