package azure_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// wantAlike is the share of recorded answers that ours must equal.
const wantAlike = 0.98

const oldToken = "recorded before 2021: the text had no AKV number then"

// explained are the recorded answers that ours differ from, by id, and why.
var explained = map[int]string{
	619: oldToken, 652: oldToken, 654: oldToken, 658: oldToken,
	653: `recorded in 2019: a backup of what is absent said "Secret not found" then`,
	661: "a poll that came too early for the service; the recording ends before its answer",
}

// purgedBefore are restores that cannot have worked without a purge: the
// recordings keep one of several equal exchanges, and lost it there.
var purgedBefore = map[int]string{434: "secrets1973943927"}

// TestReplay sends every recorded request again, session by session, under
// fresh names, and compares the answers: status, headers, bodies.
func TestReplay(t *testing.T) {
	t.Parallel()
	alike, all := 0, 0
	missed := map[int]bool{}
	for _, session := range recordings(t) {
		p := newReplay(t, session)
		for _, s := range steps(session) {
			all++
			diff := p.play(s)
			if diff == "" {
				alike++
				continue
			}
			missed[s.ID] = true
			why := explained[s.ID]
			t.Logf("%d %s %s %s: %s\n%s", s.ID, s.Operation, s.Method, s.Path, why, diff)
			if why == "" {
				t.Errorf("%d is not explained", s.ID)
			}
		}
	}
	for id := range explained {
		if !missed[id] {
			t.Errorf("%d is explained and no miss", id)
		}
	}
	t.Logf("%d of %d recorded answers are alike: %.1f %%", alike, all, 100*float64(alike)/float64(all))
	if float64(alike) < wantAlike*float64(all) || all < 300 {
		t.Error("too few are alike")
	}
}

// fresh begins the names of a replay; the order of names stays.
const fresh = "fresh-"

// replay is one session against a gateway of its own.
type replay struct {
	t         *testing.T
	g         *gatewaytest.Gateway
	ours      map[string]string // version ids, by the recorded ones
	theirs    map[string]string // and the other way round
	blobs     map[string]string // of backups, likewise by the recorded ones
	link      string            // of the last page
	got, want []string          // items of the list that is being walked
}

func newReplay(t *testing.T, session []*exchange) *replay {
	t.Helper()
	store := memory.New(memory.Options{})
	p := &replay{
		t: t, ours: map[string]string{}, theirs: map[string]string{}, blobs: map[string]string{},
		g: gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{
			Name: "main", Kind: "memory", Backend: store, RetentionDays: retention(session),
		}}}),
	}
	for _, o := range foreign(session) {
		p.seed(store, o)
	}
	return p
}

// seed puts in place what the recorded vault held before the session.
func (p *replay) seed(store *memory.Store, o object) {
	p.t.Helper()
	name, version := o.name()
	d := secret.Draft{
		Value: secret.TextValue(o.Value), ContentType: o.ContentType, Tags: o.Tags, Disabled: !o.Attributes.Enabled,
		NewExtra: secret.Extra{}.WithText("azure.name", fresh+name),
	}
	if o.Managed {
		d.Extra = secret.Extra{"azure.managed": json.RawMessage("true")}
	}
	for n, at := range map[*int64]*time.Time{o.Attributes.NotBefore: &d.NotBefore, o.Attributes.Expires: &d.Expires} {
		if n != nil {
			*at = time.Unix(*n, 0)
		}
	}
	s, err := store.Put(p.t.Context(), secret.Name(strings.ToLower(fresh+name)), d)
	if err != nil {
		p.t.Fatal(err)
	}
	p.learn(version, s.Newest().UID.String())
	if o.RecoveryID != "" {
		if _, err := store.Delete(p.t.Context(), s.Name, time.Now().AddDate(0, 0, 90)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *replay) learn(recorded, ours string) {
	if recorded != "" {
		p.ours[recorded], p.theirs[ours] = ours, recorded
	}
}

// play sends one request and returns how the answer differs, or nothing.
func (p *replay) play(s step) string {
	p.t.Helper()
	if name := purgedBefore[s.ID]; name != "" {
		r := do(p.t, p.g, "main", http.MethodDelete, "/deletedsecrets/"+fresh+name, "")
		if r.status != http.StatusNoContent {
			p.t.Errorf("the purge before %d: %d", s.ID, r.status)
		}
	}
	w := httptest.NewRecorder()
	p.g.Handler.ServeHTTP(w, p.request(s))
	p.note(s, w.Body.Bytes())
	if w.Code != s.Status {
		return fmt.Sprintf("\t%d %s\n\trecorded is %d %s", w.Code, w.Body, s.Status, s.ResponseBody)
	}
	if diff := headers(w.Header(), s); diff != "" {
		return diff
	}
	got, want := p.canon(w.Body.Bytes(), p.theirs), p.canon(s.ResponseBody, nil)
	if s.isList() && s.Status == http.StatusOK {
		got, want = p.walk(s, w.Body.Bytes())
	}
	if got != want {
		return "\t" + got + "\n\trecorded is\n\t" + want
	}
	return ""
}

// headers compares those that a client may look at.
func headers(h http.Header, s step) string {
	for _, name := range []string{"cache-control", "content-type", "expires", "pragma", "strict-transport-security", "x-content-type-options"} {
		if got, want := headerOf(h, name), s.ResponseHeaders[name]; got != want {
			return fmt.Sprintf("\t%s is %q, recorded is %q", name, got, want)
		}
	}
	if got, want := headerOf(h, "WWW-Authenticate"), s.ResponseHeaders["www-authenticate"]; form(got) != form(want) {
		return fmt.Sprintf("\tthe challenge is %q, recorded is %q", got, want)
	}
	return ""
}

// form is a challenge less its URLs.
func form(challenge string) string {
	return regexp.MustCompile(`"https://[^"]*"`).ReplaceAllString(challenge, "URL")
}

func (p *replay) request(s step) *http.Request {
	p.t.Helper()
	segments := strings.Split(s.Path, "/")
	if len(segments) > 2 && segments[2] != "" && s.Path != "/secrets/restore" {
		segments[2] = fresh + segments[2]
	}
	if len(segments) > 3 && p.ours[segments[3]] != "" {
		segments[3] = p.ours[segments[3]]
	}
	url := "https://main.vault.localhost" + strings.Join(segments, "/") + "?" + s.Query
	if s.follows {
		url = p.link
	}
	r := httptest.NewRequestWithContext(p.t.Context(), s.Method, url, strings.NewReader(p.body(s)))
	if s.Status != http.StatusUnauthorized {
		r.Header.Set("Authorization", "Bearer "+p.g.Token)
	}
	return r
}

// body is the recorded one. Where the recorder kept none, it is made from what
// came back.
func (p *replay) body(s step) string {
	p.t.Helper()
	if s.Operation == "RestoreSecret" {
		return p.blob(s)
	}
	if string(s.RequestBody) != "null" || s.Status != http.StatusOK || s.Method == http.MethodGet {
		return strings.TrimPrefix(string(s.RequestBody), "null")
	}
	var o object
	if err := json.Unmarshal(s.ResponseBody, &o); err != nil {
		p.t.Fatal(err)
	}
	sent := map[string]any{"attributes": o.Attributes}
	if s.Operation == "SetSecret" {
		sent["value"] = o.Value
	}
	if o.ContentType != "" {
		sent["contentType"] = o.ContentType
	}
	if o.Tags != nil {
		sent["tags"] = o.Tags
	}
	b, err := json.Marshal(sent)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func (p *replay) blob(s step) string {
	var sent struct{ Value string }
	switch err := json.Unmarshal(s.RequestBody, &sent); {
	case err == nil && p.blobs[sent.Value] != "":
		sent.Value = p.blobs[sent.Value]
	case strings.Contains(string(s.RequestBody), "some thousands of 'A'"):
		sent.Value = strings.Repeat("A", 4000)
	case sent.Value == "": // not recorded; its length is
		sent.Value = strings.Repeat("A", 16)
	}
	return `{"value":"` + sent.Value + `"}`
}

// note learns what the gateway calls what the recording calls otherwise.
func (p *replay) note(s step, body []byte) {
	var got, want object
	if s.Status != http.StatusOK || json.Unmarshal(body, &got) != nil || json.Unmarshal(s.ResponseBody, &want) != nil {
		return
	}
	switch s.Operation {
	case "SetSecret":
		_, ours := got.name()
		_, recorded := want.name()
		p.learn(recorded, ours)
	case "BackupSecret":
		p.blobs[want.Value] = got.Value
	}
}

// walk compares a page as such, and with the last page all items of the list:
// the service fills its pages by rules of its own.
func (p *replay) walk(s step, body []byte) (got, want string) {
	p.t.Helper()
	g, w := readPage(p.t, body), readPage(p.t, s.ResponseBody)
	if s.ends {
		w.NextLink = nil
	}
	if !s.follows {
		p.got, p.want = nil, nil
	}
	for _, item := range g.Value {
		p.got = append(p.got, p.canon(item, p.theirs))
	}
	for _, item := range w.Value {
		p.want = append(p.want, p.canon(item, nil))
	}
	p.link = ""
	if g.NextLink != nil {
		p.link = *g.NextLink
	}
	got, want = linkForm(g.NextLink), linkForm(w.NextLink)
	if w.NextLink == nil || s.last {
		if s.Operation == "ListSecretVersions" { // by id, and ours are others
			slices.Sort(p.got)
			slices.Sort(p.want)
		}
		got += "\n\t" + strings.Join(p.got, "\n\t")
		want += "\n\t" + strings.Join(p.want, "\n\t")
	}
	return got, want
}

// TestReplayNotices that an answer differs: in a member, in a member's type,
// in what an error says.
func TestReplayNotices(t *testing.T) {
	t.Parallel()
	p := newReplay(t, nil)
	for _, c := range [][2]string{
		{`"recoverableDays":7`, `"recoverableDays":"7"`},
		{`,"recoverableDays":7`, ``},
		{`"enabled":true,`, ``},
		{`"attributes"`, `"managed":true,"attributes"`},
		{`"created":1`, `"created":"1"`},
		{`"created":1,"updated":1`, `"updated":1,"created":1`},
		{`{"a":"b"}`, `{"a":"c"}`},
		{`"SecretNotFound"`, `"NotFound"`},
		{`d7`, `d8`},
		{`absent`, `missing`},
		{`"innererror":{"code":"SecretDisabled"}`, `"innererror":null`},
	} {
		for _, body := range []string{
			`{"value":"v","id":"https://a.example/secrets/n/d0215295974a4da8ab877cb69fefd5d7","attributes":{"enabled":true,"created":1,"updated":1,"recoverableDays":7},"tags":{"a":"b"}}`,
			`{"error":{"code":"SecretNotFound","message":"absent","innererror":{"code":"SecretDisabled"}}}`,
		} {
			if other := strings.Replace(body, c[0], c[1], 1); other != body && p.canon([]byte(body), nil) == p.canon([]byte(other), nil) {
				t.Errorf("%s for %s goes unnoticed", c[1], c[0])
			}
		}
	}
	x, y := "https://a.example:443/secrets?api-version=7.4&$skiptoken=x", "https://a.example/secrets?api-version=7.4&$skiptoken=x"
	if linkForm(&x) == linkForm(&y) || linkForm(nil) == linkForm(&x) {
		t.Error("another link goes unnoticed")
	}
}
