package huaweicsms

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. It reads what is there, and writes: first
// what the description has to say of the version, then the version.
//
// A twenty-first version takes the place of the oldest that has no label, as
// the product has it.
func (b *Backend) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if err := checkDraft(&d); err != nil {
		return nil, err
	}
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) (err error) {
		for range maxReads { // another gateway may make the secret meanwhile
			out, err = b.put(ctx, name, wire, &d)
			if !errors.Is(err, errTaken) {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (b *Backend) put(ctx context.Context, name secret.Name, wire string, d *secret.Draft) (*secret.Secret, error) {
	h, err := b.look(ctx, name, wire)
	switch {
	case err != nil:
		return nil, err
	case h == nil:
		return b.make(ctx, name, wire, d)
	case h.f.pending():
		return nil, &secret.Error{Kind: secret.Trashed, Op: "huaweicsms.put", Name: name}
	case d.OnlyIfAbsent:
		return nil, &secret.Error{Kind: secret.AlreadyExists, Op: "huaweicsms.put", Name: name}
	case !h.f.readable():
		return nil, &secret.Error{Kind: secret.Disabled, Op: "huaweicsms.put", Name: name}
	}
	return b.append(ctx, h, d)
}

// checkDraft refuses what the product cannot hold, whatever is there.
func checkDraft(d *secret.Draft) error {
	if err := history.CheckDraft(d); err != nil {
		return err
	}
	if d.Missing != "" {
		return secret.Errorf(secret.Unsupported, "CSMS holds no version without a value")
	}
	if kind, why := valueProblem(d.Value); why != "" {
		return secret.Errorf(kind, "%s", why)
	}
	if why := expiresProblem(d.Expires); why != "" {
		return secret.Errorf(secret.Invalid, "%s: %s", loss.Expires, why)
	}
	if why := labelsProblem(nil, d.Stages); why != "" {
		return secret.Errorf(secret.Invalid, "%s: %s", loss.Stages, why)
	}
	if d.OfSecret != nil {
		if _, why := spellTags(d.OfSecret.Tags); why != "" {
			return secret.Errorf(secret.Invalid, "%s: %s", loss.Tags, why)
		}
	}
	return nil
}

// versionOf is the version that the draft asks for, without what the product
// mints.
func versionOf(d *secret.Draft) *secret.Version {
	return &secret.Version{
		UID: d.UID, Value: d.Value, ContentType: d.ContentType, Tags: d.Tags, Disabled: d.Disabled,
		NotBefore: d.NotBefore, Expires: d.Expires, Stages: d.Stages, Extra: d.Extra, Created: d.Created, Updated: d.Updated,
	}
}

// draftEntry says of the version what the product cannot.
func draftEntry(number int64, d *secret.Draft) entry {
	e := entry{Number: number, UID: sidecar.UID(d.UID), Created: compact(d.Created), Form: formOf(d.Value)}
	if !d.Updated.Equal(d.Created) {
		e.Updated = compact(d.Updated)
	}
	e.fill(versionOf(d))
	return e
}

// make creates the secret.
func (b *Backend) make(ctx context.Context, name secret.Name, wire string, d *secret.Draft) (*secret.Secret, error) {
	a := secret.Attributes{}
	if d.OfSecret != nil {
		a = *d.OfSecret
	}
	a.Extra = history.PatchExtra(history.PatchExtra(a.Extra, d.NewExtra), d.MergeExtra)
	t := trailer{Extra: sidecar.Members(a.Extra), Created: compact(d.Created)}
	if isHash(wire) {
		t.Name = name
	}
	t = t.set(draftEntry(1, d))
	if !fits(wire, a.Description, &t, 0) {
		return nil, secret.Errorf(secret.Invalid, "%s", noRoom)
	}
	w := b.writer(name, wire)
	made, err := w.create(ctx, d.Value, join(wire, a.Description, &t), b.key, b.project)
	if err != nil {
		return nil, b.taken(ctx, name, wire, err)
	}
	b.listing.Enter(name, made)
	versions, err := b.client.versions(ctx, name, wire)
	if err != nil || len(versions) == 0 {
		return nil, partly("put", name, "the secret is made, and cannot be read back", orError(err, errMalformed))
	}
	f := &facts{head: made, versions: versions[:1]}
	number := f.versions[0].number
	want := wanted{description: f.description, expires: map[int64]int64{}, labels: map[string]int64{}}
	want.tags, _ = spellTags(a.Tags)
	want.expires[number], _ = expiry(d.Expires)
	for _, l := range d.Stages {
		want.labels[l] = number
	}
	if _, err := run(ctx, want.steps(w, f)); err != nil {
		return nil, partly("put", name, "the secret is made, and some of its attributes may not be written", err)
	}
	return b.answer(name, f, number, d.Value), nil
}

// errTaken: the name was taken since it was looked at.
var errTaken = errors.New("the name is taken")

// taken is the error of a creation that the product refused. It has no code of
// its own for a name that is taken, so that is looked up.
func (b *Backend) taken(ctx context.Context, name secret.Name, wire string, err error) error {
	if !is(err, secret.Invalid, secret.Conflict, secret.Trashed) {
		return err
	}
	h, lookErr := b.client.show(ctx, name, wire)
	switch {
	case lookErr != nil:
		return err
	case h.pending():
		return &secret.Error{Kind: secret.Trashed, Op: "huaweicsms.create", Name: name, Err: secret.Cause(err)}
	}
	return &secret.Error{Kind: secret.Conflict, Op: "huaweicsms.create", Name: name, Detail: "another writer came first", Err: errTaken}
}

func orError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return &secret.Error{Kind: secret.Unknown, Op: "huaweicsms.put", Err: otherwise}
}
