package huawei_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// listedVersion is one of an answer to ListSecretVersions.
type listedVersion struct {
	ID   string `json:"id"`
	Time int64  `json:"create_time"`
}

// versionsOf reads all pages from a marker on, each from another of the gateways.
func versionsOf(t *testing.T, name, marker string, limit int, gateways ...*gatewaytest.Gateway) (all []listedVersion) {
	t.Helper()
	for i := 0; ; i++ {
		a := message{Path: fmt.Sprintf("/secrets/%s/versions?limit=%d&marker=%s", name, limit, marker)}.send(t, gateways[i%len(gateways)])
		var page struct {
			Versions []listedVersion `json:"version_metadatas"`
			Info     struct {
				Next *string `json:"next_marker"`
			} `json:"page_info"`
		}
		must(t, json.Unmarshal([]byte(a.Body), &page))
		if a.Status != 200 || len(page.Versions) > limit {
			t.Fatalf("%d with %d versions", a.Status, len(page.Versions))
		}
		all = append(all, page.Versions...)
		if page.Info.Next == nil {
			return all
		}
		marker = *page.Info.Next
	}
}

// overBoth starts two gateways over one store: one that reads pages of versions by
// itself, and one that does not.
func overBoth(t *testing.T, b backends.Backend) (gateways []*gatewaytest.Gateway) {
	t.Helper()
	for _, b := range []backends.Backend{b, &backendtest.Faulty{Backend: b}} {
		gateways = append(gateways, gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: b}}}))
	}
	return gateways
}

// tangled is a secret whose versions' times stand still, run back and jump, of
// which two hold no value and one was recycled.
func tangled() *secret.Secret {
	s := &secret.Secret{Name: "n", Current: 12, Extra: secret.Extra{"huawei.recycled": json.RawMessage(`"4"`)}}
	at := time.UnixMilli(1_700_000_000_000).UTC()
	for i, ms := range []int64{0, 0, 0, 0, 0, -5000, 1, 2, 9000, 9000, 9000, 20000} {
		v := secret.Version{Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Value: secret.TextValue("x"), Created: at.Add(time.Duration(ms) * time.Millisecond)}
		if v.Ordinal == 3 || v.Ordinal == 10 {
			v.Value, v.Missing = secret.Value{}, secret.Destroyed
		}
		v.Updated = v.Created
		s.Versions = append(s.Versions, v)
	}
	return s
}

// TestVersionPages: pages of any size, begun by one gateway and gone on with by
// another, live or pending deletion, are the same list: the versions that CSMS
// has, oldest first, with times that rise.
func TestVersionPages(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	_, err := store.Import(t.Context(), tangled(), "")
	must(t, err)
	g := overBoth(t, store)
	const at = 1_700_000_000_000
	want := []listedVersion{
		{"v1", at},
		{"v2", at + 1},
		{"v5", at + 2},
		{"v6", at + 3},
		{"v7", at + 4},
		{"v8", at + 5},
		{"v9", at + 9000},
		{"v11", at + 9001},
		{"v12", at + 20000},
	}
	for _, pending := range []bool{false, true} {
		if pending {
			_, err := store.Delete(t.Context(), "n", time.Now().AddDate(0, 0, 7))
			must(t, err)
		}
		for limit := 1; limit <= len(want)+1; limit++ {
			for what, over := range map[string][]*gatewaytest.Gateway{"pages": g[:1], "whole": g[1:], "both": g} {
				if got := versionsOf(t, "n", "", limit, over...); !slices.Equal(got, want) {
					t.Errorf("pages of %d, %s: %v, want %v", limit, what, got, want)
				}
			}
		}
	}
}

// TestManyVersionPages: as CSMS's clients read them, 500 versions are 500.
func TestManyVersionPages(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	_, err := store.Import(t.Context(), backendtest.ManyVersions("n", 500), "")
	must(t, err)
	got := versionsOf(t, "n", "", 50, overBoth(t, store)...)
	if len(got) != 500 || !slices.IsSortedFunc(got, func(a, b listedVersion) int { return int(a.Time - b.Time) }) || got[499].ID != "v500" {
		t.Errorf("%d versions, or in another order", len(got))
	}
}

// TestVersionMarkers: a client may make a marker of any version's id, also of one
// that is not there.
func TestVersionMarkers(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Options{})
	_, err := store.Import(t.Context(), tangled(), "")
	must(t, err)
	for _, g := range overBoth(t, store) {
		for marker, want := range map[string]string{
			"v0": "v1 v2 v5", "v1": "v2 v5 v6", "v3": "v5 v6 v7", "v0000000010": "v11 v12", "v12": "", "v9999999999": "",
			"v8.1700000000005": "v9 v11 v12", "v8.0": "v9 v11 v12",
			"8": "refused", "v": "refused", "v8.": "refused", "v8.x": "refused", "v8.-1": "refused", "v8.1.2": "refused", "v8.999999999999999": "refused",
		} {
			a := message{Path: "/secrets/n/versions?limit=3&marker=" + marker}.send(t, g)
			if want == "refused" {
				if a.Status != 400 || a.Code != "CSMS.0002" || !strings.Contains(a.Msg, "marker") && !strings.Contains(a.Msg, "version id") {
					t.Errorf("marker %s: %d %s %s", marker, a.Status, a.Code, a.Msg)
				}
				continue
			}
			var ids []string
			for _, v := range versionsOf(t, "n", marker, 3, g) {
				ids = append(ids, v.ID)
			}
			if got := strings.Join(ids[:min(3, len(ids))], " "); got != want {
				t.Errorf("after %s: %s, want %s", marker, got, want)
			}
		}
	}
}
