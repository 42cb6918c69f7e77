package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTagsOfManyVersions: a change of the secret's tags is seen at every version
// and touches none, however many there are.
func TestTagsOfManyVersions(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := open(t, "one")
			most := 500
			if n := b.Capabilities().MaxVersions; n > 0 {
				most = n
			}
			s := manyVersions("many", most)
			s.Versions[most/2].Tags = readTags("own=1")
			if _, err := b.Import(t.Context(), s, ""); err != nil {
				t.Fatal(err)
			}
			before := got(b.Describe(t.Context(), "many"))(t)
			g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "one", Kind: kind, Backend: b}}})
			x := newTagged(t, g, "one", "many")
			x.tag("team=red")
			seen := map[string]int{}
			for p := x.az.NewListSecretPropertiesVersionsPager("many", nil); p.More(); {
				for _, v := range got(p.NextPage(t.Context()))(t).Value {
					seen[tellTags(plainTags(v.Tags))]++
				}
			}
			if want := map[string]int{"team=red": most - 1, "own=1": 1}; !maps.Equal(seen, want) {
				t.Errorf("versions are seen with %v, want %v", seen, want)
			}
			after := got(b.Describe(t.Context(), "many"))(t)
			for i := range after.Versions {
				was, is := &before.Versions[i], &after.Versions[i]
				touched := !is.Updated.Equal(was.Updated) && is.Ordinal != after.Current // which the patch names
				if !secret.SameTags(was.Tags, is.Tags) || touched || is.UID != was.UID {
					t.Errorf("version %d is another: own tags %v, updated %v", is.Ordinal, is.Tags, is.Updated)
				}
			}
		})
	}
}

func manyVersions(name secret.Name, n int) *secret.Secret {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &secret.Secret{Name: name, Created: at, Updated: at.Add(time.Duration(n) * time.Hour), Current: secret.Ordinal(n), Previous: secret.Ordinal(n - 1)}
	for i := range n {
		made := at.Add(time.Duration(i) * time.Hour)
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Value: secret.TextValue(fmt.Sprint("v", i)), Created: made, Updated: made,
		})
	}
	return s
}

// TestTagsTravel: there by one vendor's client, home by the other's, and what was
// of whom is so still, with what each shows of it.
func TestTagsTravel(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			stores := []gateway.Store{{Name: "away", Kind: kind, Backend: open(t, "away")}}
			for _, name := range []string{"from", "home"} {
				stores = append(stores, gateway.Store{Name: name, Kind: "memory", Backend: products["memory"](t, name)})
			}
			g := gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16})
			for _, there := range []string{"azure", "huawei"} {
				for _, ofSecret := range []string{without, empty, "a=1 b=2"} {
					for _, ofCurrent := range []string{without, empty, "c=3"} {
						travelTags(t, g, there, ofSecret, ofCurrent)
					}
				}
			}
		})
	}
}

func travelTags(t *testing.T, g *gatewaytest.Gateway, there, ofSecret, ofCurrent string) {
	t.Helper()
	s := manyVersions(secret.Name(strings.NewReplacer("=", "-", " ", "-", empty, "empty").Replace(there+"-"+ofSecret+"-"+ofCurrent)), 4)
	s.Tags = readTags(ofSecret)
	s.Versions[0].Tags, s.Versions[1].Tags, s.Versions[3].Tags = readTags("old=1"), readTags(empty), readTags(ofCurrent)
	blob := got(g.Keyring.Seal(&backup.Document{Origin: backup.Origin{Gateway: g.Service.Gateway(), Store: "from", Name: s.Name}, SealedAt: time.Now().UTC(), Secret: s}))(t)
	got(g.Service.Restore(t.Context(), tester, "from", blob, gateway.RestoreOptions{}))(t)
	hop := func(from, out, into, in string) {
		t.Helper()
		blob := got(dialects[out](t, g, from).backup(t.Context(), string(s.Name)))(t)
		got(dialects[in](t, g, into).restore(t.Context(), blob))(t)
	}
	look := func(store string) {
		t.Helper()
		x := newTagged(t, g, store, string(s.Name))
		x.wantOwn(ofSecret, "old=1", empty, without, ofCurrent)
		if ofSecret == without {
			x.wantHuawei(tellTags(orEmpty(readTags(ofCurrent))))
		} else {
			x.wantHuawei(ofSecret)
		}
		if ofCurrent == without {
			x.wantAzure("", ofSecret)
		} else {
			x.wantAzure("", ofCurrent)
		}
		x.wantAzure(s.Versions[0].UID.String(), "old=1")
		x.wantAzure(s.Versions[1].UID.String(), empty)
		x.wantAzure(s.Versions[2].UID.String(), ofSecret)
	}
	look("from")
	hop("from", other(there), "away", there)
	look("away")
	hop("away", there, "home", other(there))
	look("home")
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
