package kv2

import (
	"fmt"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (s *Store) Forecast(in *secret.Secret) []secret.Loss {
	if d := s.known().lasts(); d > 0 {
		return doomed(in, d, "mount")
	}
	losses := s.valueLosses(in)
	losses = append(losses, roomLosses(loss.Apply(in, losses))...)
	return append(losses, s.nativeLosses(loss.Apply(in, losses))...)
}

// doomed: nothing stays where the mount, or the key, deletes versions after a time.
func doomed(in *secret.Secret, after time.Duration, of string) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		out = append(out, secret.Loss{
			Grade: secret.Data, Version: in.Versions[i].Ordinal, What: loss.Version,
			Why: fmt.Sprintf("Vault would delete it after %v (delete_version_after of the %s)", after, of),
		})
	}
	return out
}

// valueLosses: a value that the product would refuse.
func (s *Store) valueLosses(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		v := &in.Versions[i]
		if _, _, err := connection.EncodeValue(s.Field, v.Value); err != nil {
			out = append(out, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Value, Why: connection.WhyTooLong})
		}
	}
	return out
}

// nativeLosses: what the gateway keeps and native tools see differently.
func (s *Store) nativeLosses(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		v := &in.Versions[i]
		var form sidecar.Form
		if v.Value.Form() != secret.Text {
			_, form, _ = connection.EncodeValue(s.Field, v.Value)
		}
		out = append(out, connection.NativeLosses(v, form)...)
	}
	if shifts := outline(in).head.Shifts; len(shifts) > 0 {
		from := shifts.Ordinal(shifts[0][0])
		out = append(out, secret.Loss{
			Grade: secret.Trace, What: loss.Number,
			Why: fmt.Sprintf("from version %d on: numbers that no version has are written and destroyed, %d at most", from, mostFilled),
		})
	}
	if last := in.Newest(); last != nil {
		if in.Current != last.Ordinal {
			out = append(out, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Vault's own tools take the newest version for the current one"})
		}
		out = append(out, secret.Loss{Grade: secret.Trace, What: loss.Created, Why: "Vault's own tools see the time of the import"})
	}
	return out
}

// What there is room for, in this order: of the secret, and of each version.
var (
	kindsOfSecret = []sidecar.Kind{
		{What: loss.Description, OfSecret: true},
		{What: loss.Stages},
		{What: loss.Tags, OfSecret: true},
		{What: loss.Extra, OfSecret: true},
	}
	kindsOfVersion = []sidecar.Kind{{What: loss.ContentType}, {What: loss.Tags}, {What: loss.Extra}}
)

const noRoom = "Vault has no room for the attributes of so many versions"

// roomLosses are the attributes that would not even fit into the companion. The
// secret has half of it at most, and the versions what that leaves, the newest
// first.
func roomLosses(in *secret.Secret) []secret.Loss {
	in, out := sidecar.Fit(in, kindsOfSecret, noRoom, func(s *secret.Secret) bool { return headSize(s) <= connection.MaxCompanion/2 })
	room := connection.MaxCompanion - headSize(in)
	for _, v := range slices.Backward(in.Versions) {
		alone := &secret.Secret{Versions: []secret.Version{v}}
		alone, lost := sidecar.Fit(alone, kindsOfVersion, noRoom, func(s *secret.Secret) bool { return entrySize(&s.Versions[0]) <= room })
		size := entrySize(&alone.Versions[0])
		if size > room {
			lost, size = []secret.Loss{{Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: noRoom}}, 0
		}
		room -= size
		out = append(out, lost...)
	}
	return out
}

func headSize(in *secret.Secret) int {
	in = in.WithoutValues()
	_, in.Extra = splitSettings(in.Extra)
	head := outline(in).head
	return connection.EntrySize(sidecar.ASCII(new(state).beside(&head)))
}

// entrySize is what the entry of v takes in the companion at most.
func entrySize(v *secret.Version) int {
	return connection.EntrySize(sidecar.ASCII(versionEntry(v, sidecar.FormObject)))
}
