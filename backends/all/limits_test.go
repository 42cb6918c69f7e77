package all_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/secret"
)

func one(edit func(*secret.Version)) *secret.Secret { return several(1, edit) }

// several returns a secret of n plain versions; the newest is edited.
func several(n int, edit func(*secret.Version)) *secret.Secret {
	at := time.Unix(1700000000, 0).UTC()
	s := &secret.Secret{Name: "n", Created: at, Updated: at, Current: secret.Ordinal(n)}
	for i := range n {
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.DeriveUID("limits", "n", fmt.Sprint(i), at), Value: secret.TextValue("x"), Created: at, Updated: at,
		})
	}
	edit(&s.Versions[n-1])
	return s
}

func tagged(n, key, value int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("%0*d", key, i)] = strings.Repeat("v", value)
	}
	return m
}

func labels(n, length int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%0*d", length, i))
	}
	return out
}

// atLimit are the limits of the table, each as a secret of that much.
var atLimit = map[string]struct {
	of   func(limits.Product) limits.Limit
	lost []string
	make func(int) *secret.Secret
}{
	"text": {func(p limits.Product) limits.Limit { return p.Text }, []string{backends.LossValue, backends.LossVersion}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.Value = secret.TextValue(strings.Repeat("x", n)) })
	}},
	"binary": {func(p limits.Product) limits.Limit { return p.Binary }, []string{backends.LossValue, backends.LossVersion}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.Value = secret.BinaryValue(bytes.Repeat([]byte{0xff}, n)) })
	}},
	"versions": {func(p limits.Product) limits.Limit { return p.Versions }, []string{backends.LossVersion}, func(n int) *secret.Secret {
		return several(n, func(*secret.Version) {})
	}},
	"tags of a version": {func(p limits.Product) limits.Limit { return p.VersionTags }, []string{backends.LossTags}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.Tags = tagged(n, 2, 1) })
	}},
	"content type": {func(p limits.Product) limits.Limit { return p.ContentType }, []string{backends.LossContentType}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.ContentType = strings.Repeat("ü", n) })
	}},
	"tags of the secret": {func(p limits.Product) limits.Limit { return p.SecretTags }, []string{backends.LossTags}, func(n int) *secret.Secret {
		s := one(func(*secret.Version) {})
		s.Tags = tagged(n, 2, 1)
		return s
	}},
	"stages": {func(p limits.Product) limits.Limit { return p.Stages }, []string{backends.LossStages}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.Stages = labels(n, 2) })
	}},
	"length of a stage": {func(p limits.Product) limits.Limit { return p.StageLength }, []string{backends.LossStages}, func(n int) *secret.Secret {
		return one(func(v *secret.Version) { v.Stages = labels(1, n) })
	}},
}

// TestLimitsAreTrue: at each limit of the table nothing is lost, and above it
// something is. Where the table says nothing, nothing is lost either.
func TestLimitsAreTrue(t *testing.T) {
	t.Parallel()
	stores := cheap(t)
	for _, p := range limits.Products() {
		b := stores[p.Backend]
		if p.As != "" {
			b = stores["as "+p.As]
		}
		if b == nil {
			continue // of another version of a product, which no store imitates
		}
		for what, c := range atLimit {
			l := c.of(p)
			if l.Most == 0 {
				continue
			}
			if l.Source == "" || l.Unit == "" {
				t.Errorf("%s: %s: the unit or the source is missing", p.Name, what)
			}
			if lost := taken(b, c.make(l.Most), c.lost); len(lost) > 0 {
				t.Errorf("%s: %s of %d is within the limit, and foretold is %v", p.Name, what, l.Most, lost)
			}
			if len(taken(b, c.make(l.Most+1), c.lost)) == 0 {
				t.Errorf("%s: %s of %d is over the limit, and no loss is foretold", p.Name, what, l.Most+1)
			}
		}
	}
}

func taken(b backends.Backend, s *secret.Secret, words []string) []secret.Loss {
	return slices.DeleteFunc(b.Forecast(s), func(l secret.Loss) bool { return l.Grade == secret.Trace || !slices.Contains(words, l.What) })
}

// TestTheTableIsWhole: each kind of store and each imitation has its row, of
// the same numbers as its capabilities, and every attribute has a home there.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	for _, kind := range all.Registry().Kinds() {
		if _, ok := limits.Of(kind); !ok {
			t.Errorf("the table has no row for %s", kind)
		}
	}
	stores := cheap(t)
	for as := range all.Imitations() {
		p, ok := limits.Of(as)
		c := stores["as "+as].Capabilities()
		if !ok || p.Text.Most != c.MaxValue || p.Versions.Most != c.MaxVersions || !strings.HasPrefix(c.Product, p.Name) {
			t.Errorf("%s: the row and the capabilities differ: %+v", as, c)
		}
	}
	for _, p := range limits.Products() {
		for _, a := range limits.Attributes() {
			if p.Homes[a] == "" {
				t.Errorf("%s: %s has no home", p.Name, a)
			}
		}
		if p.Resolution == 0 || p.NameLength.Most == 0 || p.Names.Source == "" {
			t.Errorf("%s: the row is not whole", p.Name)
		}
	}
}

// TestHomes: what the table says to be native is never lost of a plain secret,
// and what it gives to nobody is foretold.
func TestHomes(t *testing.T) {
	t.Parallel()
	at := time.Unix(1800000000, 0).UTC()
	of := map[limits.Attribute]struct {
		lost string
		edit func(*secret.Version)
	}{
		limits.Disabled:  {backends.LossState, func(v *secret.Version) { v.Disabled = true }},
		limits.NotBefore: {backends.LossNotBefore, func(v *secret.Version) { v.NotBefore = at }},
		limits.Expires:   {backends.LossExpires, func(v *secret.Version) { v.Expires = at }},
		limits.Type:      {backends.LossContentType, func(v *secret.Version) { v.ContentType = "text/plain" }},
		limits.Tags:      {backends.LossTags, func(v *secret.Version) { v.Tags = map[string]string{"a": "b"} }},
		limits.Labels:    {backends.LossStages, func(v *secret.Version) { v.Stages = []string{"blue"} }},
		limits.Bytes:     {backends.LossValue, func(v *secret.Version) { v.Value = secret.BinaryValue([]byte{0xff}) }},
		limits.Valueless: {backends.LossVersion, func(v *secret.Version) { v.Value, v.Missing = secret.Value{}, secret.Destroyed }},
	}
	stores := cheap(t)
	for _, p := range limits.Products() {
		b := stores[p.Backend]
		if p.As != "" {
			b = stores["as "+p.As]
		}
		if b == nil {
			continue
		}
		for a, c := range of {
			lost := len(taken(b, one(c.edit), []string{c.lost})) > 0
			if lost != (p.Homes[a] == limits.Nobody) {
				t.Errorf("%s: %s is at home %q; that it is lost is %v", p.Name, a, p.Homes[a], lost)
			}
		}
	}
}
