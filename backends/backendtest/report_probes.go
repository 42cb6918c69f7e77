package backendtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// probe returns a secret of n plain versions; edit changes the newest.
func probe(n int, edit func(*secret.Version)) *secret.Secret {
	at := time.Unix(1700000000, 0).UTC()
	s := &secret.Secret{Name: "probe", Created: at, Updated: at, Current: secret.Ordinal(n)}
	for i := range n {
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.DeriveUID("probe", "probe", fmt.Sprint(i), at),
			Value: secret.TextValue(canary), Created: at, Updated: at,
		})
	}
	if n > 1 {
		s.Previous = secret.Ordinal(n - 1)
	}
	edit(&s.Versions[n-1])
	return s
}

func one(edit func(*secret.Version)) *secret.Secret { return probe(1, edit) }

func whole(edit func(*secret.Secret)) *secret.Secret {
	s := one(func(*secret.Version) {})
	edit(s)
	return s
}

// sizeProbe makes secrets that have n of one thing.
type sizeProbe struct {
	what, unit string
	up         int // the largest that is asked for
	lost       []string
	of         func(n int) *secret.Secret
}

// sizes are the things that products limit, in the order of a report.
func sizes() []sizeProbe {
	gone := []string{loss.Value, loss.Version}
	return []sizeProbe{
		{"text", "bytes", 32 << 20, gone, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Value = secret.TextValue(strings.Repeat("x", n)) })
		}},
		{"binary", "bytes", 32 << 20, gone, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Value = secret.BinaryValue(bytes.Repeat([]byte{0xff}, n)) })
		}},
		{"versions", "of a secret", 500, gone, func(n int) *secret.Secret { return probe(n, func(*secret.Version) {}) }},
		{"tags", "of a version", 100, []string{loss.Tags}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Tags = someTags(n, 2, 1) })
		}},
		{"key of such a tag", "characters", 1 << 10, []string{loss.Tags}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Tags = someTags(1, n, 1) })
		}},
		{"value of such a tag", "characters", 1 << 10, []string{loss.Tags}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Tags = someTags(1, 1, n) })
		}},
		{"content type", "characters", 1 << 10, []string{loss.ContentType}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.ContentType = filler(n) })
		}},
		{"stages", "of a version", 50, []string{loss.Stages}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Stages = someStages(n, 2) })
		}},
		{"stage", "characters", 1 << 10, []string{loss.Stages}, func(n int) *secret.Secret {
			return one(func(v *secret.Version) { v.Stages = someStages(1, n) })
		}},
		{"description", "characters", 8 << 10, []string{loss.Description}, func(n int) *secret.Secret {
			return whole(func(s *secret.Secret) { s.Description = filler(n) })
		}},
		{"tags", "of the secret", 100, []string{loss.Tags}, func(n int) *secret.Secret {
			return whole(func(s *secret.Secret) { s.Tags = someTags(n, 2, 1) })
		}},
		{"key of such a tag", "characters", 1 << 10, []string{loss.Tags}, func(n int) *secret.Secret {
			return whole(func(s *secret.Secret) { s.Tags = someTags(1, n, 1) })
		}},
		{"value of such a tag", "characters", 1 << 10, []string{loss.Tags}, func(n int) *secret.Secret {
			return whole(func(s *secret.Secret) { s.Tags = someTags(1, 1, n) })
		}},
	}
}

// measure returns the most that is held, or zero where all is.
func (p *sizeProbe) measure(b Forecaster) int {
	held := func(n int) bool {
		return !slices.ContainsFunc(b.Forecast(p.of(n)), func(l secret.Loss) bool { return slices.Contains(p.lost, l.What) })
	}
	most, over := 0, 1
	for held(over) { // small secrets are cheaper than large ones
		if over == p.up {
			return 0
		}
		most, over = over, min(2*over, p.up)
	}
	for over-most > 1 {
		if middle := (most + over) / 2; held(middle) {
			most = middle
		} else {
			over = middle
		}
	}
	return most
}

// attributeProbe is a secret that has one attribute, and what tells its loss.
type attributeProbe struct {
	attribute limits.Attribute
	what      []string
	s         *secret.Secret
}

// attributes are those of the model, in the order of a report.
func attributes() []attributeProbe {
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	version := func(a limits.Attribute, what string, edit func(*secret.Version)) attributeProbe {
		return attributeProbe{a, []string{what}, one(edit)}
	}
	gap := probe(3, func(*secret.Version) {})
	gap.Versions, gap.Previous = gap.Versions[2:], 0
	gone := probe(2, func(*secret.Version) {})
	gone.Versions[0].Value, gone.Versions[0].Missing, gone.Previous = secret.Value{}, secret.Destroyed, 0
	roles := probe(3, func(*secret.Version) {})
	roles.Current, roles.Previous = 2, 1
	value := []string{loss.Version, loss.Value, loss.Form}
	return []attributeProbe{
		{limits.Value, value, one(func(*secret.Version) {})},
		{limits.Bytes, value, one(func(v *secret.Version) { v.Value = secret.BinaryValue([]byte("\xff\x00" + canary)) })},
		{limits.Fields, value, one(func(v *secret.Version) { v.Value = secret.FieldsValue([]byte(`{"a":"` + canary + `","b":"c"}`)) })},
		{limits.Ordinal, []string{loss.Version}, gap},
		{limits.UID, []string{loss.UID}, one(func(*secret.Version) {})},
		{limits.Times, []string{loss.Created, loss.Updated}, one(func(v *secret.Version) { v.Created = v.Created.Add(time.Nanosecond) })},
		{limits.Roles, []string{loss.Current, loss.Previous}, roles},
		{limits.Disabled, []string{loss.State, loss.Disabled}, one(func(v *secret.Version) { v.Disabled = true })},
		version(limits.NotBefore, loss.NotBefore, func(v *secret.Version) { v.NotBefore = at }),
		version(limits.Expires, loss.Expires, func(v *secret.Version) { v.Expires = at }),
		version(limits.Type, loss.ContentType, func(v *secret.Version) { v.ContentType = "text/plain" }),
		version(limits.Tags, loss.Tags, func(v *secret.Version) { v.Tags = map[string]string{"a": "b"} }),
		version(limits.Labels, loss.Stages, func(v *secret.Version) { v.Stages = []string{"blue"} }),
		{limits.Text, []string{loss.Description}, whole(func(s *secret.Secret) { s.Description = "d" })},
		{limits.SecretTags, []string{loss.Tags}, whole(func(s *secret.Secret) { s.Tags = map[string]string{"a": "b"} })},
		{limits.Extra, []string{loss.Extra}, whole(func(s *secret.Secret) { s.Extra = secret.Extra{"probe.extra": json.RawMessage(`1`)} })},
		{limits.Valueless, []string{loss.Version}, gone},
	}
}

func (p *attributeProbe) ask(b Forecaster) Holding {
	h := Holding{Attribute: p.attribute}
	for _, l := range b.Forecast(p.s) {
		if !slices.Contains(p.what, l.What) {
			continue
		}
		h.Worst = max(h.Worst, l.Grade)
		if !slices.Contains(h.What, l.What) {
			h.What = append(h.What, l.What)
		}
	}
	slices.Sort(h.What)
	return h
}

func someTags(n, key, value int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("%0*d", key, i)] = filler(value)
	}
	return m
}

// filler is a text of n characters, the same at each call, that does not shrink
// where a backend packs what it keeps.
func filler(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		sum := sha256.Sum256([]byte(fmt.Sprint("filler", i)))
		b.WriteString(base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return b.String()[:n]
}

func someStages(n, length int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%0*d", length, i))
	}
	return out
}
