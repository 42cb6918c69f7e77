package azurekv

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTwoGateways write one name at once, which the product cannot order: no
// version is lost, none shares an identity, and both read the same.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	both := []*Backend{open(t, g), open(t, g)}
	const each = 10
	uids := make([][]secret.UID, len(both))
	var wg sync.WaitGroup
	for i, b := range both {
		wg.Go(func() {
			for n := range each {
				s, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue(fmt.Sprint(i, n))})
				if err != nil {
					t.Error(err)
					return
				}
				uids[i] = append(uids[i], s.Versions[0].UID)
			}
		})
	}
	wg.Wait()
	one, err := both[0].Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	two, err := both[1].Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, one, two, nil)
	if len(one.Versions) != len(both)*each {
		t.Errorf("%d versions, want %d", len(one.Versions), len(both)*each)
	}
	for i := range both {
		for n, u := range uids[i] {
			if v := one.Find(secret.ByUID(u)); v == nil || string(v.Value.Reveal()) != fmt.Sprint(i, n) {
				t.Errorf("write %d of gateway %d is not there under its UID", n, i)
			}
		}
	}
}

// TestPagesWhileWriting: a version that was written into a page already read
// is found, for the list then shows one as young as the reading itself.
func TestPagesWhileWriting(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	entry := func(id string, at time.Time) string {
		return fmt.Sprintf(`{"id":"https://v.vault.example/secrets/s/%s","attributes":{"enabled":true,"created":%d,"updated":%d}}`, id, at.Unix(), at.Unix())
	}
	old := now.Add(-time.Hour)
	first := []string{entry("a", old)}
	var lists atomic.Int64
	b := stub(t, "v.vault.example", "https://vault.example", func(w http.ResponseWriter, r *http.Request) {
		date := "Date: " + now.UTC().Format(http.TimeFormat)
		if r.URL.Query().Get("$skiptoken") != "" {
			reply(200, `{"value":[`+entry("z", now)+`],"nextLink":null}`, date)(w, r)
			return
		}
		if lists.Add(1) == 2 { // "b" came after the first page was read, before "z"
			first = append(first, entry("b", now.Add(-time.Second)))
		}
		reply(200, `{"value":[`+strings.Join(first, ",")+`],"nextLink":"https://v.vault.example:443/secrets/s/versions?api-version=7.4&$skiptoken=x"}`, date)(w, r)
	})
	s, err := b.Describe(t.Context(), "s")
	if err != nil || len(s.Versions) != 3 || lists.Load() != 3 {
		t.Errorf("%d lists: %v", lists.Load(), err)
	}
}
