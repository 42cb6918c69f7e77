package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/secret"
)

func FuzzSkipToken(f *testing.F) {
	for _, s := range []string{"", "x", "name", "name/00ff", "!", "é"} {
		f.Add(s)
		f.Add(skipToken(s))
	}
	f.Fuzz(func(t *testing.T, s string) {
		if key, ok := readSkipToken(s); ok {
			name, err := (&request{site: &site{folder: "team/"}}).after(key)
			if err != nil && secret.KindOf(err) != secret.Invalid {
				t.Fatal(err)
			}
			if name != "" && !strings.HasPrefix(string(name), "team/") {
				t.Fatalf("a forged token leads out of the folder, to %q", name)
			}
		}
		if name, err := naming.Decode(s); err == nil {
			if key, ok := readSkipToken(skipToken(spell(name))); !ok || key != spell(name) {
				t.Fatalf("position %q comes back as %q", spell(name), key)
			}
		}
	})
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "/", "//secrets//x/", "/SECRETS/Restore", "/secrets/a%2Fb/Versions", "/%73ecrets/x", "/secrets/../x", "/DeletedSecrets/X/RECOVER"} {
		f.Add("GET", s)
		f.Add("POST", s)
	}
	f.Fuzz(func(t *testing.T, method, s string) {
		if _, err := url.PathUnescape(s); err != nil || !strings.HasPrefix(s, "/") {
			return
		}
		got := "/" + strings.Join(segments(method, s), "/")
		if again := "/" + strings.Join(segments(method, got), "/"); again != got {
			t.Fatalf("%q becomes %q becomes %q", s, got, again)
		}
		if strings.Contains(got, "//") || strings.Count(got, "%2F") != strings.Count(strings.Trim(s, "/"), "%2F") {
			t.Fatalf("%q becomes %q", s, got)
		}
	})
}

func FuzzDecodeSet(f *testing.F) {
	for _, s := range []string{
		`{"value":"x"}`, `{"value":"\ud83d\ude00","tags":{"a":"b"},"contentType":"t","attributes":{"enabled":false,"nbf":1,"exp":2}}`,
		`{"value":"\ud83d"}`, `{"value":"\ude00\ud83d"}`, `{"value":"\\ud800"}`, `{`, `{"value":"x"}{}`, `{"tags":null,"value":""}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := decodeSet(body)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("refused with %q", secret.KindOf(err))
			}
			wantReason(t, err)
			return
		}
		if !json.Valid(body) || d.Value.Form() != secret.Text || d.Value.Len() > maxValue || len(d.Tags) > maxTags {
			t.Fatal("what breaks a rule is accepted")
		}
		if strings.ContainsRune(string(d.Value.Reveal()), utf8.RuneError) && !bytes.ContainsRune(body, utf8.RuneError) && !bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)) {
			t.Fatal("a character of the value has been replaced")
		}
	})
}

// The walker finds what encoding/json finds.
func FuzzEachMember(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[1,{"c":"]}"}],"d":"\"","e":null,"":true}`, `{"a":-1.5e+3}`, `{"a":1,"a":2}`, `{"\u0061":{}}`, `[]`, `{"a":"\\"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := map[string]string{}
		if eachMember(body, asIs, func(name string, raw json.RawMessage) error {
			got[name] = string(raw)
			return nil
		}) != nil {
			return
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for name, raw := range all {
			if string(raw) != "null" {
				want[name] = string(raw)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodeRestore(f *testing.F) {
	for _, s := range []string{`{"value":"KQ"}`, `{"value":"KQ=="}`, `{"value":"KR"}`, `{"value":"K\u0051"}`, `{"value":""}`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		blob, err := decodeRestore(body)
		if err != nil {
			if k := secret.KindOf(err); k != secret.Invalid && k != secret.Corrupt {
				t.Fatalf("refused with %q", k)
			}
			wantReason(t, err)
			return
		}
		again, err := json.Marshal(map[string]string{"value": base64.RawURLEncoding.EncodeToString(blob)})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeRestore(again); err != nil || !bytes.Equal(back, blob) {
			t.Fatal("a blob does not come back")
		}
	})
}

func FuzzDecodeUpdate(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"attributes":{"enabled":false,"nbf":0,"exp":2},"tags":{},"contentType":""}`, `{"tags":null,"attributes":null}`,
		`{"value":1}`, `{"attributes":{"enabled":1}}`, `{"contentType":"\ud83d"}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodeUpdate(body)
		if err != nil {
			wantReason(t, err)
			if secret.KindOf(err) != secret.Invalid || p.Tags != nil || p.ContentType != nil {
				t.Fatalf("refused with %q", secret.KindOf(err))
			}
			return
		}
		if !json.Valid(body) || (p.Tags != nil && len(*p.Tags) > maxTags) || (p.ContentType != nil && utf8.RuneCountInString(*p.ContentType) > maxContentType) {
			t.Fatal("what breaks a rule is accepted")
		}
		// A SetSecret with the same members takes them the same way.
		d, err := decodeSet(append([]byte(`{"value":"",`), bytes.TrimLeft(bytes.TrimSpace(body), "{")...))
		if err == nil && (d.Disabled != deref(p.Disabled) || !d.Expires.Equal(deref(p.Expires)) || d.ContentType != deref(p.ContentType)) {
			t.Fatal("the two bodies are read in two ways")
		}
	})
}

// No host and no name leads out of the folder that the host stands for.
func FuzzFolder(f *testing.F) {
	for _, s := range [][2]string{{"red.folders.example", "x"}, {"RED.folders.example:8443", "x0-"}, {"..folders.example", ".."}, {"a/b.folders.example", "x%2F"}, {"*.folders.example", "x0-5ofg"}} {
		f.Add(s[0], s[1])
	}
	d := &Dialect{sites: map[string]*site{"*.folders.example": {folder: "teams/{1}/"}}}
	f.Fuzz(func(t *testing.T, host, wireName string) {
		s := d.site(originOf(host))
		if s == nil {
			return
		}
		folder := strings.Split(s.folder, "/")
		if len(folder) != 3 || folder[0] != "teams" || folder[1] == "" || !isWord(folder[1]) || folder[2] != "" {
			t.Fatalf("%q stands for %q", host, s.folder)
		}
		name, err := s.model(wireName)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatal(err)
			}
			return
		}
		rest, in := strings.CutPrefix(string(name), s.folder)
		if !in || rest == "" || name.Validate() != nil {
			t.Fatalf("%q behind %q is %q", wireName, host, name)
		}
		if back, err := s.model(spell(s.inside(name))); err != nil || back != name {
			t.Fatalf("%q is shown so that it reads back as %q", name, back)
		}
	})
}

func FuzzBearer(f *testing.F) {
	for _, s := range []string{"", "Bearer x", "bearer  x ", "Bearer", "Basic eA==", "Bearer a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := bearer(http.Header{"Authorization": {s}})
		if ok && (token == "" || !strings.HasSuffix(strings.TrimSpace(s), token)) {
			t.Fatalf("%q is read as %q", s, token)
		}
		if _, twice := bearer(http.Header{"Authorization": {s, s}}); twice {
			t.Fatal("two credentials are taken for one")
		}
	})
}

// FuzzHost: whatever host a request names, it leads to no folder but that of
// its label.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"", "main.vault.localhost", "MAIN.vault.localhost.:443", "a.tenants.localhost:8443", "a.b.tenants.localhost", "../x.tenants.localhost", "%2e.tenants.localhost", "{1}.tenants.localhost", "*.tenants.localhost", "[::1]:80", "[", ":", "K.tenants.localhost"} {
		f.Add(s)
	}
	d := &Dialect{sites: map[string]*site{
		"main.vault.localhost": {store: "main"},
		"*.tenants.localhost":  {store: "shared", folder: "team/" + labelWord + "/"},
	}}
	f.Fuzz(func(t *testing.T, hostport string) {
		o := originOf(hostport)
		_, _, _ = o.base(), o.link(), o.parent()
		s := d.site(o)
		if s == nil || s.folder == "" {
			return
		}
		folder := strings.TrimSuffix(strings.TrimPrefix(s.folder, "team/"), "/")
		if folder == "" || strings.ContainsAny(folder, "./%{}*") || o.host != folder+".tenants.localhost" {
			t.Fatalf("%q leads to %q", hostport, s.folder)
		}
	})
}

// FuzzVersionPosition: a position in a list of versions is a version's id, or
// none.
func FuzzVersionPosition(f *testing.F) {
	for _, s := range []string{"", "name", "name/00112233445566778899aabbccddeeff", "name/00FF", "name/", "/", "name/00112233445566778899aabbccddeeff/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if _, err := afterVersion(key); err != nil && secret.KindOf(err) != secret.Invalid {
			t.Fatalf("kind of %v", err)
		}
	})
}
