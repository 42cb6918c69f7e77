package azure_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// exchange is one line of the recordings.
type exchange struct {
	ID           int
	Operation    string
	Source       struct{ Repo, Path, Commit string }
	Method       string
	Path         string
	Query        string
	RequestBody  json.RawMessage `json:"request_body"`
	Status       int
	ResponseBody json.RawMessage `json:"response_body"`
	// By lower-case name. Some recorders kept none.
	ResponseHeaders map[string]string `json:"response_headers"`
}

func (e *exchange) isList() bool { return strings.HasPrefix(e.Operation, "List") }

// object is a secret of any form.
type object struct {
	RecoveryID  string `json:"recoveryId"`
	Value       string `json:"value"`
	ContentType string `json:"contentType"`
	ID          string `json:"id"`
	Managed     bool   `json:"managed"`
	Attributes  struct {
		Enabled   bool   `json:"enabled"`
		NotBefore *int64 `json:"nbf,omitempty"`
		Expires   *int64 `json:"exp,omitempty"`
		Level     string `json:"recoveryLevel,omitempty"`
	} `json:"attributes"`
	Tags map[string]string `json:"tags"`
}

func (o object) name() (name, version string) {
	parts := strings.Split(o.ID+"/////", "/")
	return parts[4], parts[5]
}

// listPage is one of secrets, live or deleted.
type listPage struct {
	Value    []json.RawMessage
	NextLink *string
}

func readPage(t *testing.T, body []byte) (p listPage) {
	t.Helper()
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// recordings are the sessions in the order in which they were recorded.
func recordings(t *testing.T) [][]*exchange {
	t.Helper()
	f, err := os.Open("testdata/recorded/exchanges.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]*exchange
	in := bufio.NewScanner(f)
	for in.Buffer(nil, 1<<20); in.Scan(); {
		e := &exchange{}
		if err := json.Unmarshal(in.Bytes(), e); err != nil {
			t.Fatal(err)
		}
		if n := len(all); n > 0 && all[n-1][0].Source == e.Source {
			all[n-1] = append(all[n-1], e)
		} else {
			all = append(all, []*exchange{e})
		}
	}
	if in.Err() != nil || len(all) == 0 {
		t.Fatal("no recordings", in.Err())
	}
	return all
}

// retention is that of the recorded vault.
func retention(session []*exchange) int {
	for _, e := range session {
		if bytes.Contains(e.ResponseBody, []byte("CustomizedRecoverable")) {
			return 7
		}
	}
	return 90
}

// foreign is what was there before the session: whatever it saw and did not
// make.
func foreign(session []*exchange) []object {
	known := map[string]bool{}
	var all []object
	saw := func(o object, made bool) {
		name, version := o.name()
		if name == "" || known[name+"/"+version] {
			return
		}
		if !made {
			all = append(all, o)
		}
		known[name+"/"], known[name+"/"+version] = true, true
	}
	for _, e := range session { // what it makes at any time is not foreign
		var o object
		if e.Operation == "SetSecret" && e.Status == http.StatusOK && json.Unmarshal(e.ResponseBody, &o) == nil {
			saw(o, true)
		}
	}
	for _, e := range session {
		var o object
		var p struct{ Value []object }
		switch {
		case e.Status != http.StatusOK:
		case e.Operation == "GetSecret" && json.Unmarshal(e.ResponseBody, &o) == nil:
			saw(o, false)
		case e.isList() && json.Unmarshal(e.ResponseBody, &p) == nil:
			for _, o := range p.Value {
				saw(o, false)
			}
		}
	}
	return all
}

// step is an exchange that is replayed.
type step struct {
	*exchange
	follows bool // the link of the page before
	last    bool // of the pages that were recorded
	ends    bool // all pages behind it are empty
}

// steps leaves out what only the real service's delay explains: polls but the
// last, and pages that are empty because what they pass over is on its way.
func steps(session []*exchange) []step {
	var all []step
	for i := 0; i < len(session); i++ {
		e := session[i]
		if e.isList() && e.Status == http.StatusOK {
			n := 1
			for i+n < len(session) && session[i+n].Path == e.Path && strings.Contains(session[i+n].Query, "skiptoken") {
				n++
			}
			all = append(all, pages(session[i:i+n])...)
			i += n - 1
			continue
		}
		if !isEarlyPoll(session[i:]) {
			all = append(all, step{exchange: e})
		}
	}
	return all
}

// isEarlyPoll: the same request comes again, with another answer, and nothing
// but reads in between.
func isEarlyPoll(rest []*exchange) bool {
	e := rest[0]
	if e.Status != http.StatusNotFound && e.Status != http.StatusConflict {
		return false
	}
	for _, next := range rest[1:] {
		switch {
		case next.Method == e.Method && next.Path == e.Path && bytes.Equal(next.RequestBody, e.RequestBody):
			if next.Status != e.Status {
				return next.Status == http.StatusOK
			}
		case next.Method != http.MethodGet:
			return false
		}
	}
	return false
}

func pages(walk []*exchange) []step {
	var all []step
	for _, e := range walk {
		var p listPage
		if json.Unmarshal(e.ResponseBody, &p) != nil || len(p.Value) > 0 || len(walk) == 1 {
			all = append(all, step{exchange: e, follows: len(all) > 0})
		} else if p.NextLink == nil && len(all) > 0 {
			all[len(all)-1].ends = true
		}
	}
	if len(all) > 0 {
		first := *all[0].exchange
		first.Query = walk[0].Query
		all[0].exchange, all[len(all)-1].last = &first, true
	}
	return all
}

var (
	hosts    = regexp.MustCompile(`https://[^/':]+(:443)?/(secrets|deletedsecrets)`)
	tagsOf   = regexp.MustCompile(`"tags":{[^{}]*}`)
	uids     = regexp.MustCompile(`[0-9a-f]{32}`)
	moments  = regexp.MustCompile(`"(created|updated|deletedDate|scheduledPurgeDate)":\d+`)
	blobText = regexp.MustCompile(`"KU[A-Za-z0-9_-]{200,}"|"K[A-Za-z0-9_-]{200,}"`)
)

// canon is an answer's body less what differs from vault to vault: host,
// times, blobs, the order of tags, and the names and ids of this replay.
func (p *replay) canon(body []byte, ids map[string]string) string {
	var b bytes.Buffer
	if len(body) > 0 && json.Compact(&b, body) != nil {
		return fmt.Sprintf("no JSON: %q", body)
	}
	s := strings.TrimPrefix(b.String(), "null")
	s = tagsOf.ReplaceAllStringFunc(s, func(tags string) string {
		in := []byte("{" + tags + "}")
		var m map[string]map[string]string
		if json.Unmarshal(in, &m) != nil {
			return tags
		}
		sorted, _ := json.Marshal(m["tags"]) // strings always marshal
		return `"tags":` + string(sorted)
	})
	s = moments.ReplaceAllString(hosts.ReplaceAllString(s, "https://HOST$1/$2"), `"$1":0`)
	s = blobText.ReplaceAllString(strings.ReplaceAll(s, fresh, ""), `"BLOB"`)
	return uids.ReplaceAllStringFunc(s, func(id string) string {
		if known, ok := ids[id]; ok {
			return known
		}
		return id
	})
}

// linkForm is a nextLink's host, path and parameters, in their order.
func linkForm(link *string) string {
	if link == nil {
		return "null"
	}
	path, query, _ := strings.Cut(hosts.ReplaceAllString(strings.ReplaceAll(*link, fresh, ""), "https://HOST$1/$2"), "?")
	for param := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(param, "=")
		path += " " + name
	}
	return path
}
