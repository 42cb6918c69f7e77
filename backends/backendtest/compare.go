package backendtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Compare fails t unless got is want less the losses, as loss.Apply takes
// them away: every attribute, version, role, time and value. It prints no
// value.
//
// Two things are the same to it: times of one instant in two zones, and the
// value of a disabled version with Missing Unreadable, for some products hold it
// and do not show it (secret.ExportLosses reports that).
func Compare(t *testing.T, want, got *secret.Secret, losses []secret.Loss) {
	t.Helper()
	for _, d := range Differences(want, got, losses) {
		t.Errorf("%q: %s", want.Name, d)
	}
}

// Differences is Compare without a test: one line for each difference, none
// with a value in it.
func Differences(want, got *secret.Secret, losses []secret.Loss) []string {
	if got == nil {
		return []string{"there is no secret"}
	}
	want = loss.Apply(want, losses)
	var d differences
	d.check("name", want.Name == got.Name)
	d.check("description", want.Description == got.Description)
	d.check("tags of the secret", secret.SameTags(want.Tags, got.Tags))
	d.time("created of the secret", want.Created, got.Created)
	d.time("updated of the secret", want.Updated, got.Updated)
	d.number("current", want.Current, got.Current)
	d.number("previous", want.Previous, got.Previous)
	d.extra("extra of the secret", want.Extra, got.Extra)
	d.deletion(want.Deleted, got.Deleted)
	d.versions(want, got)
	return d
}

type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *differences) check(what string, same bool) {
	if !same {
		d.add("%s differs", what)
	}
}

func (d *differences) time(what string, want, got time.Time) {
	if !want.Equal(got) {
		d.add("%s is %v, want %v", what, got, want)
	}
}

func (d *differences) number(what string, want, got secret.Ordinal) {
	if want != got {
		d.add("%s is %d, want %d", what, got, want)
	}
}

func (d *differences) deletion(want, got *secret.Deletion) {
	if want == nil || got == nil {
		d.check("whether it is deleted", want == got)
		return
	}
	d.time("the time of its deletion", want.At, got.At)
	d.time("the time of its purge", want.Purge, got.Purge)
}

// extra compares member by member; what is no JSON compares as bytes.
func (d *differences) extra(what string, want, got secret.Extra) {
	same := maps.EqualFunc(want, got, func(a, b json.RawMessage) bool { return bytes.Equal(compact(a), compact(b)) })
	d.check(what, same)
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

func (d *differences) versions(want, got *secret.Secret) {
	if w, g := ordinals(want), ordinals(got); !slices.Equal(w, g) {
		d.add("the versions are %d, want %d", g, w)
	}
	for i := range want.Versions {
		w := &want.Versions[i]
		if g := got.Find(secret.ByOrdinal(w.Ordinal)); g != nil {
			d.version(w, g)
		}
	}
}

func (d *differences) version(want, got *secret.Version) {
	of := func(what string) string { return fmt.Sprintf("%s of version %d", what, want.Ordinal) }
	if !want.UID.IsZero() && want.UID != got.UID { // zero: foretold to be another
		d.add("%s is %v, want %v", of("uid"), got.UID, want.UID)
	}
	if got.UID.IsZero() {
		d.add("%s is not set", of("uid"))
	}
	if !hidden(got) {
		d.value(of, want, got)
	}
	if want.Disabled != got.Disabled {
		d.add("%s is %v, want %v", of("disabled"), got.Disabled, want.Disabled)
	}
	d.check(of("content type"), want.ContentType == got.ContentType)
	d.check(of("tags"), secret.SameTags(want.Tags, got.Tags))
	d.check(of("stages"), slices.Equal(want.Stages, got.Stages))
	d.time(of("not before"), want.NotBefore, got.NotBefore)
	d.time(of("expires"), want.Expires, got.Expires)
	d.time(of("created"), want.Created, got.Created)
	d.time(of("updated"), want.Updated, got.Updated)
	d.extra(of("extra"), want.Extra, got.Extra)
}

func (d *differences) value(of func(string) string, want, got *secret.Version) {
	if w, g := want.Value, got.Value; !w.Equal(g) {
		d.add("%s is %v of %d bytes, want %v of %d bytes, or differs in content", of("value"), g.Form(), g.Len(), w.Form(), w.Len())
	}
	if want.Missing != got.Missing {
		d.add("%s is %q, want %q", of("missing"), got.Missing, want.Missing)
	}
}

func hidden(v *secret.Version) bool {
	return v.Disabled && v.Missing == secret.Unreadable && v.Value.IsNone()
}

func ordinals(s *secret.Secret) []secret.Ordinal {
	var out []secret.Ordinal
	for i := range s.Versions {
		out = append(out, s.Versions[i].Ordinal)
	}
	return out
}
