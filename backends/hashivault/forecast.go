package hashivault

import (
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (s *Store) Forecast(in *secret.Secret) []secret.Loss {
	losses := s.valueLosses(in)
	losses = append(losses, roomLosses(loss.Apply(in, losses))...)
	return append(losses, s.nativeLosses(loss.Apply(in, losses))...)
}

// valueLosses: a value that the product would refuse.
func (s *Store) valueLosses(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		v := &in.Versions[i]
		if v.Value.IsNone() {
			continue
		}
		if _, _, err := encodeValue(s.field, v.Value); err != nil {
			out = append(out, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Value, Why: "longer than Vault takes"})
		}
	}
	return out
}

// nativeLosses: what the gateway keeps and native tools see differently.
func (s *Store) nativeLosses(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		v := &in.Versions[i]
		if v.Disabled && !v.Value.IsNone() {
			out = append(out, secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Disabled, Why: "Vault knows no disabled version: its own tools can read this one"})
		}
		if v.Value.Form() == secret.Text {
			continue
		}
		switch _, form, _ := encodeValue(s.field, v.Value); form {
		case formBinary:
			out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault's own tools see the bytes as base64"})
		case formFieldsText:
			out = append(out, secret.Loss{Grade: secret.Trace, Version: v.Ordinal, What: loss.Form, Why: "Vault would change how these fields are written: its own tools see the JSON as one text"})
		}
	}
	if last := in.Newest(); last != nil {
		if in.Current != last.Ordinal {
			out = append(out, secret.Loss{Grade: secret.Meaning, What: loss.Current, Why: "Vault's own tools take the newest version for the current one"})
		}
		out = append(out, secret.Loss{Grade: secret.Trace, What: loss.Created, Why: "Vault's own tools see the time of the import"})
	}
	return out
}

// roomLosses: attributes that would not even fit into the companion go, the
// largest kinds and the oldest versions first.
func roomLosses(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	lose := func(l secret.Loss) { out = append(out, l) }
	room := maxCompanion - outline(in).headSize()
	if room < maxCompanion/2 {
		room = maxCompanion / 2
		loseOfSecret(in, lose)
	}
	used := 0
	for i := len(in.Versions) - 1; i >= 0; i-- {
		v := &in.Versions[i]
		full, bare := recordSize(v), recordSize(stripped(v))
		switch {
		case used+full <= room:
			used += full
		case used+bare <= room:
			used += bare
			loseAttributes(v, lose)
		default:
			lose(secret.Loss{Grade: secret.Data, Version: v.Ordinal, What: loss.Version, Why: noRoom})
		}
	}
	return out
}

const noRoom = "Vault has no room for the attributes of so many versions"

// loseOfSecret gives up what can make the head large.
func loseOfSecret(in *secret.Secret, lose func(secret.Loss)) {
	for _, l := range []struct {
		what string
		held bool
	}{
		{loss.Extra, len(in.Extra) > 0}, {loss.Tags, len(in.Tags) > 0}, {loss.Description, len(in.Description) > maxCompanion/8},
	} {
		if l.held {
			lose(secret.Loss{Grade: secret.Meaning, What: l.what, Why: noRoom})
		}
	}
	labels := 0
	for i := range in.Versions {
		for _, label := range in.Versions[i].Stages {
			labels += quotedSize(label)
		}
	}
	for i := range in.Versions {
		if v := &in.Versions[i]; labels > maxCompanion/8 && len(v.Stages) > 0 {
			lose(secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: loss.Stages, Why: noRoom})
		}
	}
}

func stripped(v *secret.Version) *secret.Version {
	c := *v
	c.ContentType, c.Tags, c.Extra, c.Stages = "", nil, nil, nil
	return &c
}

func loseAttributes(v *secret.Version, lose func(secret.Loss)) {
	for _, l := range []struct {
		what string
		held bool
	}{
		{loss.ContentType, v.ContentType != ""}, {loss.Tags, len(v.Tags) > 0}, {loss.Extra, len(v.Extra) > 0},
	} {
		if l.held {
			lose(secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: l.what, Why: noRoom})
		}
	}
}
