package huaweicsms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestAnswers: what each answer of the service becomes, for a read and for a
// write, in either shape of an error.
func TestAnswers(t *testing.T) {
	t.Parallel()
	flat := func(code string) string {
		return `{"error_code":"` + code + `","error_msg":"vendor text canary-message"}`
	}
	nested := func(code string) string {
		return `{"error":{"error_code":"` + code + `","error_msg":"vendor text canary-message"}}`
	}
	for _, c := range []struct {
		status      int
		body        string
		read, write secret.Kind
	}{
		{400, flat("CSMS.0002"), secret.Invalid, secret.Invalid},
		{400, flat("CSMS.0005"), secret.NotFound, secret.NotFound},
		{400, nested("CSMS.0005"), secret.NotFound, secret.NotFound},
		{400, flat("CSMS.0106"), secret.NotFound, secret.NotFound},
		{400, flat("CSMS.0202"), secret.TooLarge, secret.TooLarge},
		{400, flat("CSMS.0203"), secret.TooLarge, secret.TooLarge},
		{400, flat("CSMS.0301"), secret.Upstream, secret.Upstream},
		{400, flat("CSMS.0401"), secret.Upstream, secret.Upstream},
		{400, flat("KMS.0209"), secret.Upstream, secret.Upstream},
		{400, "canary-page", secret.Invalid, secret.Invalid},
		{401, `{"error_msg":"Incorrect IAM authentication information: canary","error_code":"APIGW.0301","request_id":"x"}`, secret.Upstream, secret.Upstream},
		{401, `{"error":{"code":401,"message":"canary","title":"Unauthorized"}}`, secret.Upstream, secret.Upstream},
		{403, flat("CSMS.0109"), secret.Disabled, secret.Disabled},
		{403, flat("CSMS.0302"), secret.Upstream, secret.Upstream},
		{403, `{"error_code":"IAM.0002","error_msg":"canary","encoded_authorization_message":"canary"}`, secret.Upstream, secret.Upstream},
		{404, flat("CSMS.0005"), secret.NotFound, secret.NotFound},
		{404, "", secret.NotFound, secret.NotFound},
		{404, flat("APIGW.0101"), secret.Upstream, secret.Upstream},
		{408, "", secret.Unavailable, secret.Unknown},
		{409, "", secret.Conflict, secret.Conflict},
		{413, flat("APIGW.0201"), secret.TooLarge, secret.TooLarge},
		{418, "", secret.Internal, secret.Internal},
		{429, flat("APIGW.0308"), secret.Throttled, secret.Throttled},
		{500, "<html>canary-page", secret.Unavailable, secret.Unknown},
		{502, flat("APIGW.0201"), secret.Unavailable, secret.Unknown},
		{504, flat("APIGW.0201"), secret.Unavailable, secret.Unknown},
		{302, "", secret.Internal, secret.Internal},
		{200, "", secret.Unavailable, secret.Unknown},
		{200, "{}", secret.Unavailable, secret.Unknown},
		{200, `{"version_metadata":`, secret.Unavailable, secret.Unknown},
		{200, `[]`, secret.Unavailable, secret.Unknown},
		{200, `{"version_metadata":null,"version_metadatas":null}`, secret.Unavailable, secret.Unknown},
		{200, `{"version_metadata":{"id":"1","create_time":1},"version_metadatas":[{"id":"1","create_time":1}]}`, secret.Unavailable, secret.Unknown},
		{200, `{"version_metadata":{"id":"v1"},"version_metadatas":[{"id":"v1"}]}`, secret.Unavailable, secret.Unknown},
		{200, `{"version_metadata":{"id":"v1","create_time":"1"},"version_metadatas":[{"id":"v1","create_time":"1"}]}`, secret.Unavailable, secret.Unknown},
	} {
		name := fmt.Sprintf("%d %.40s", c.status, c.body)
		h := reply(c.status, c.body, "Location", "https://elsewhere.example/", "Retry-After", "7")
		b, s := script(t, withDefaults(map[string][]http.HandlerFunc{getVersions: {h}}))
		_, err := b.Describe(t.Context(), "s")
		wantKind(t, "read: "+name, err, c.read)
		checkText(t, err)
		if n := s.count(getVersions); n != 1 {
			t.Errorf("read: %s: asked %d times", name, n)
		}
		if errors.Is(err, kit.ErrDeadCredential) != (c.status == 401) {
			t.Errorf("%s: the credential is dead or not: %v", name, err)
		}
		b, s = script(t, withDefaults(map[string][]http.HandlerFunc{doAppend: {h}}))
		_, err = b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("canary-x")})
		wantKind(t, "write: "+name, err, c.write)
		checkText(t, err)
		if n := s.count(doAppend); n != 1 {
			t.Errorf("write: %s: sent %d times", name, n)
		}
		var e *secret.Error
		if errors.As(err, &e); c.status == 429 && e.RetryAfter != 7*time.Second {
			t.Errorf("Retry-After is %v", e.RetryAfter)
		}
	}
}

// TestKnownSentences: what CSMS publishes, and the reason of another gateway,
// reach the user in either shape of an error; a sentence that goes on, or is
// another, does not.
func TestKnownSentences(t *testing.T) {
	t.Parallel()
	told := func(body string, header ...string) string {
		b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{getVersions: {reply(400, body, header...)}}))
		_, err := b.Describe(t.Context(), "s")
		checkText(t, err)
		return err.Error()
	}
	another := told(`{"error_code":"CSMS.0002","error_msg":"canary"}`, "Vaultferry-Reason", "limit: not a number from 1 to 5")
	if !strings.Contains(another, "CSMS.0002") || !strings.Contains(another, "limit: not a number from 1 to 5") {
		t.Errorf("the reason of another gateway is told as %q", another)
	}
	for _, s := range sentences {
		for _, shape := range []string{`{"error_code":"CSMS.0002","error_msg":"%s"}`, `{"error":{"error_code":"CSMS.0002","error_msg":"%s"}}`} {
			if got := told(fmt.Sprintf(shape, s)); !strings.Contains(got, "CSMS.0002") || !strings.Contains(got, s) {
				t.Errorf("%q is told as %q", s, got)
			}
			for _, more := range []string{s + " canary-value", "canary-value: " + s, strings.TrimSuffix(s, ".") + "canary-value."} {
				if got := told(fmt.Sprintf(shape, more)); !strings.Contains(got, "CSMS.0002") {
					t.Errorf("%q has no code: %q", more, got)
				}
			}
		}
	}
}

func checkText(t *testing.T, err error) {
	t.Helper()
	for _, bad := range []string{"canary", "vendor", "stub-secret-key"} {
		if err != nil && strings.Contains(err.Error(), bad) {
			t.Errorf("the error holds %q", bad)
		}
	}
}

// TestRefusedKey: five bad signatures lock the key, so one call that is refused
// is not followed by others.
func TestRefusedKey(t *testing.T) {
	t.Parallel()
	h := reply(401, `{"error_msg":"Incorrect IAM authentication information: verify aksk signature fail","error_code":"APIGW.0301","request_id":"x"}`)
	for what, call := range map[string]func(*Backend) error{
		"Check":    func(b *Backend) error { return b.Check(t.Context()) },
		"Put":      func(b *Backend) error { _, err := b.Put(t.Context(), "s", full()); return err },
		"Get":      func(b *Backend) error { _, err := b.Get(t.Context(), "s", secret.Current); return err },
		"List":     func(b *Backend) error { _, err := b.List(t.Context(), secret.Query{}); return err },
		"Describe": func(b *Backend) error { _, err := b.Describe(t.Context(), "s"); return err },
		"Export":   func(b *Backend) error { _, err := b.Export(t.Context(), "s"); return err },
		"Import":   func(b *Backend) error { _, err := b.Import(t.Context(), backendtest.Sample("s"), "t"); return err },
		"Delete":   func(b *Backend) error { _, err := b.Delete(t.Context(), "s", time.Time{}); return err },
		"Purge":    func(b *Backend) error { return b.Purge(t.Context(), "s") },
	} {
		s := &scripted{asked: map[string]int{}}
		b := stub(t, func(w http.ResponseWriter, r *http.Request) {
			s.ServeHTTP(httptest.NewRecorder(), r)
			h(w, r)
		})
		wantKind(t, what, call(b), secret.Upstream)
		if n := s.total(); n > 1 {
			t.Errorf("%s: %d calls were refused", what, n)
		}
	}
}

// TestOddShapes: members that are null, absent or unknown, lists in any order,
// pages that repeat, and values beside an empty other member.
func TestOddShapes(t *testing.T) {
	t.Parallel()
	unordered := `{"version_metadatas":[{"id":"v10","create_time":1581507590000,"version_stages":["SYSCURRENT",""]},{"id":"v2","create_time":1581507582000},` +
		`{"id":"v9","create_time":1581507589000,"expire_time":1900000000000,"version_stages":["b","SYSPREVIOUS","a"]}],"page_info":{"next_marker":"v2"}}`
	second := `{"version_metadatas":[{"id":"v1","create_time":1581507580000,"version_stages":null},{"id":"v2","create_time":1581507582000}]}`
	b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{
		getVersions:                   {reply(200, unordered), reply(200, second)},
		getTags:                       {reply(200, `{"tags":[{"key":"team","value":null},{"key":"env"}],"sys_tags":[{"key":"_sys_enterprise_project_id","value":"0"}]}`)},
		"GET /secrets/s/versions/v9":  {reply(200, `{"version":{"version_metadata":{"id":"v9","create_time":1581507589000},"secret_string":"text","secret_binary":null}}`)},
		"GET /secrets/s/versions/v10": {reply(200, `{"version":{"version_metadata":{"id":"v10","create_time":1581507590000},"secret_string":"","secret_binary":"AAE="}}`)},
		"GET /secrets/s/versions/v2":  {reply(200, `{"version":{"version_metadata":{"id":"v2","create_time":1581507582000},"secret_string":"","secret_binary":""}}`)},
		getValue:                      {reply(200, `{"version":{"version_metadata":{"id":"v1","create_time":1581507580000},"secret_string":""}}`)},
	}))
	s, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	var forms []string
	for i := range s.Versions {
		v := &s.Versions[i]
		forms = append(forms, fmt.Sprint(v.Ordinal, v.Value.Form(), v.Value.Len(), v.Stages))
	}
	if want := []string{"1 text 0 []", "2 text 0 []", "9 text 4 [a b]", "10 binary 2 []"}; !slices.Equal(forms, want) {
		t.Errorf("the versions are %q, want %q", forms, want)
	}
	if s.Current != 10 || s.Previous != 9 || s.Description != "canary-text" || len(s.Tags) != 2 || s.Extra != nil {
		t.Errorf("current %d, previous %d, %d tags", s.Current, s.Previous, len(s.Tags))
	}
	if v := s.Find(secret.ByOrdinal(9)); v.Expires.Unix() != 1900000000 || v.UID == s.Versions[0].UID || v.UID.IsZero() {
		t.Error("an end or an identity is not the product's")
	}
}

// TestNoValue: an answer without either member is no empty value.
func TestNoValue(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"version":{"version_metadata":{"id":"v1","create_time":1581507580000}}}`, `{"version":null}`, "",
		`{"version":{"version_metadata":{"id":"v2","create_time":1581507580000},"secret_string":"canary"}}`,
		`{"version":{"version_metadata":{"id":"v1","create_time":1581507580000},"secret_binary":"canary!"}}`,
	} {
		h := reply(200, body)
		b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{getValue: {h}}))
		_, err := b.Export(t.Context(), "s")
		wantKind(t, body, err, secret.Unavailable)
		_, err = b.Get(t.Context(), "s", secret.Current)
		wantKind(t, body, err, secret.Unavailable)
	}
}

// TestStates: a secret that is not enabled shows no value, one to be deleted is
// in the trash, with versions or without.
func TestStates(t *testing.T) {
	t.Parallel()
	in := func(state string) []http.HandlerFunc {
		return []http.HandlerFunc{reply(200, `{"secret":`+strings.Replace(meta, "ENABLED", state, 1)+`}`)}
	}
	refused := []http.HandlerFunc{reply(403, `{"error_code":"CSMS.0109","error_msg":"The secret state is not enabled."}`)}
	for _, state := range []string{"DISABLED", "FROZEN", "SOMETHING_NEW"} {
		b, s := script(t, withDefaults(map[string][]http.HandlerFunc{getSecret: in(state), getValue: refused}))
		for what, read := range map[string]func(context.Context, secret.Name) (*secret.Secret, error){
			"Export": b.Export, "Describe": b.Describe,
			"Get": func(ctx context.Context, n secret.Name) (*secret.Secret, error) { return b.Get(ctx, n, secret.Current) },
		} {
			got, err := read(t.Context(), "s")
			if err != nil || !got.Versions[0].Disabled || got.Versions[0].Missing != secret.Unreadable {
				t.Errorf("%s of a secret that is %s: %v", what, state, err)
			}
		}
		_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		wantKind(t, "Put onto what is "+state, err, secret.Disabled)
		if s.count(doAppend) != 0 {
			t.Error("a version was sent to what takes none")
		}
	}
	pending := reply(400, `{"error_code":"CSMS.0103","error_msg":"The secret is in the scheduled deletion state."}`)
	for _, versions := range []http.HandlerFunc{reply(200, metas), pending} {
		b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{
			getSecret:   {reply(200, `{"secret":`+strings.NewReplacer("ENABLED", "PENDING_DELETE", `"scheduled_delete_time":null`, `"scheduled_delete_time":1582717180000`).Replace(meta)+`}`)},
			getVersions: {versions}, getValue: {pending}, doDestroy: {pending},
		}))
		_, err := b.Get(t.Context(), "s", secret.Current)
		wantKind(t, "Get of what is to be deleted", err, secret.NotFound)
		_, err = b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		wantKind(t, "Put onto it", err, secret.Trashed)
		_, err = b.Import(t.Context(), backendtest.Sample("s"), "t")
		wantKind(t, "Import onto it", err, secret.Trashed)
		gone, err := b.DescribeTrash(t.Context(), "s")
		if err != nil || gone.Deleted.Purge.UnixMilli() != 1582717180000 || gone.Deleted.At.IsZero() {
			t.Errorf("DescribeTrash: %v", err)
		}
		wantKind(t, "Purge where the product keeps it", b.Purge(t.Context(), "s"), secret.Denied)
	}
}

// TestNameTaken: whatever the product says of a name that is taken, for no
// document does, it is found out.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	gone, there := reply(404, absent), reply(200, `{"secret":`+meta+`}`)
	for _, taken := range []http.HandlerFunc{
		reply(400, `{"error_code":"CSMS.0101","error_msg":"x"}`), reply(400, `{"error_code":"CSMS.0002","error_msg":"x"}`), reply(409, ""),
	} {
		b, s := script(t, withDefaults(map[string][]http.HandlerFunc{
			getVersions: {gone, reply(200, metas)}, getSecret: {there}, doCreate: {taken},
			doAppend: {reply(200, `{"version_metadata":{"id":"v2","create_time":1581507590000,"version_stages":["SYSCURRENT"]}}`)},
		}))
		if got, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil || got.Current != 2 || got.Previous != 1 || s.count(doAppend) != 1 {
			t.Errorf("a Put that another one's creation overtook: %v", err)
		}
		for what, call := range map[string]func(*Backend) error{
			"Put": func(b *Backend) error {
				_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x"), OnlyIfAbsent: true})
				return err
			},
			"Import": func(b *Backend) error { _, err := b.Import(t.Context(), backendtest.Sample("s"), "t"); return err },
		} {
			b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{getVersions: {gone, reply(200, metas)}, getSecret: {there}, doCreate: {taken}}))
			wantKind(t, what+" of a name that was taken meanwhile", call(b), secret.AlreadyExists)
		}
		b, s = script(t, map[string][]http.HandlerFunc{
			doCreate: {taken, there}, getVersions: {gone, reply(200, metas)}, // and the other one has purged it
		})
		if got, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil || got.Current != 1 || s.count(doCreate) != 2 {
			t.Errorf("a Put that another one's creation and purge overtook: %v", err)
		}
		b, _ = script(t, map[string][]http.HandlerFunc{doCreate: {taken}, getVersions: {gone}, getSecret: {reply(503, "")}})
		_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		wantKind(t, "a Put that cannot look who has the name", err, secret.Unavailable)
		b, s = script(t, map[string][]http.HandlerFunc{doCreate: {taken}})
		_, err = b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		if !kit.Is(err, secret.Invalid, secret.Conflict) {
			t.Errorf("a creation refused for another reason: %v", err)
		}
		if n := s.count(doCreate); n != 2 {
			t.Errorf("it was tried %d times", n)
		}
	}
}

// TestOvertaken: another gateway's version takes the number that a Put has
// reckoned with. What the Put knows of its own version goes to the right one.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	three := `{"version_metadatas":[{"id":"v1","create_time":1581507580000},{"id":"v2","create_time":1581507582000,"version_stages":["SYSPREVIOUS"]},` +
		`{"id":"v3","create_time":1581507583000,"version_stages":["SYSCURRENT"]}]}`
	b, s := script(t, withDefaults(map[string][]http.HandlerFunc{
		getVersions: {reply(200, metas), reply(200, three)}, doDescribe: {reply(200, `{"secret":`+meta+`}`)},
		doAppend: {reply(200, `{"version_metadata":{"id":"v3","create_time":1581507583000,"version_stages":["SYSCURRENT"]}}`)},
	}))
	got, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x"), ContentType: "a/b", Disabled: true})
	if err != nil || got.Current != 3 || got.Versions[0].ContentType != "a/b" || !got.Versions[0].Disabled {
		t.Errorf("the version has not what was asked for: %v", err)
	}
	if s.count(doDescribe) != 2 {
		t.Errorf("the description was written %d times, want 2", s.count(doDescribe))
	}
}

// TestIntruder: an unfinished import onto which others wrote is not completed.
func TestIntruder(t *testing.T) {
	t.Parallel()
	s := backendtest.Sample("s")
	p := must(planImport("s", s, "t"))(t)
	unfinished := strings.Replace(meta, `"canary-text"`, `"`+join("s", "", &p.trailer)+`"`, 1)
	b, web := script(t, withDefaults(map[string][]http.HandlerFunc{getSecret: {reply(200, `{"secret":`+unfinished+`}`)}}))
	done, err := b.Import(t.Context(), s, "t")
	if err == nil || done != nil || secret.KindOf(err) != secret.Conflict || web.count(doAppend) != 0 {
		t.Errorf("another value stands, and the import goes on: %v", err)
	}
	_, err = b.Import(t.Context(), s, "other")
	wantKind(t, "another import", err, secret.AlreadyExists)
	if isListed(t, b, "s") {
		t.Error("an unfinished import is listed")
	}
}

// TestHang: a service that does not answer holds nobody who has gone, and a
// write that it has seen is unknown.
func TestHang(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{}, 1)
	s := &scripted{answers: withDefaults(nil), asked: map[string]int{}}
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/tags") {
			s.ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodGet && s.count("tags") > 0 {
			reply(200, `{"tags":[]}`)(w, r)
			return
		}
		seen <- struct{}{}
		<-r.Context().Done()
	})
	for _, c := range []struct {
		want secret.Kind
		call func(context.Context) error
	}{
		{secret.Unavailable, func(ctx context.Context) error { _, err := b.Describe(ctx, "s"); return err }},
		{secret.Unknown, func(ctx context.Context) error {
			_, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("x")})
			return err
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-seen
			cancel()
		}()
		err := c.call(ctx)
		wantKind(t, "a service that hangs", err, c.want)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error does not say why: %v", err)
		}
		s.mu.Lock()
		s.asked["tags"] = 1 // from now on they answer
		s.mu.Unlock()
	}
}

// TestTornBody: an answer that ends early is none.
func TestTornBody(t *testing.T) {
	t.Parallel()
	torn := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		reply(200, `{"version_metadata":{"id":"v2","create_time":1581507590000}`)(w, r)
	}
	b, _ := script(t, withDefaults(map[string][]http.HandlerFunc{doAppend: {torn}}))
	_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
	wantKind(t, "a write with a torn answer", err, secret.Unknown)
	b, _ = script(t, withDefaults(map[string][]http.HandlerFunc{getSecret: {torn}}))
	_, err = b.Describe(t.Context(), "s")
	wantKind(t, "a read with a torn answer", err, secret.Unavailable)
}

// TestCredentials: temporary ones send their token, and every request is of the
// configured project.
func TestCredentials(t *testing.T) {
	t.Parallel()
	var got http.Header
	b := stub(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		reply(200, `{"secrets":[]}`)(w, r)
	}, func(c *Config) { c.SecurityToken = secret.TextValue("session") })
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Security-Token") != "session" || got.Get("X-Project-Id") != project || !strings.HasPrefix(got.Get("Authorization"), "SDK-HMAC-SHA256 Access=AKSTUB, ") {
		t.Error("the request is not signed as the service wants it")
	}
}
