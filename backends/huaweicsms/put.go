package huaweicsms

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
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
	return locked(ctx, b, name, func(r remote) (out *secret.Secret, err error) {
		for range maxReads { // another gateway may make the secret meanwhile
			if out, err = b.put(ctx, r, &d); !errors.Is(err, errTaken) {
				return out, err
			}
		}
		return nil, err
	})
}

func (b *Backend) put(ctx context.Context, r remote, d *secret.Draft) (*secret.Secret, error) {
	h, err := b.find(ctx, r, nil)
	switch {
	case err != nil:
		return nil, err
	case h == nil:
		return b.make(ctx, r, d)
	case h.facts.pending():
		return nil, r.op("put").Error(secret.Trashed, "", nil)
	case d.OnlyIfAbsent:
		return nil, r.op("put").Error(secret.AlreadyExists, "", nil)
	case !h.facts.readable():
		return nil, r.op("put").Error(secret.Disabled, "", nil)
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
	if why := valueProblem(d.Value); why != "" {
		return secret.Errorf(secret.TooLarge, "the value %s", why)
	}
	var tags string
	if d.OfSecret != nil {
		_, tags = spellTags(d.OfSecret.Tags)
	}
	return refuse(secret.Invalid, problem{loss.Expires, expiresProblem(d.Expires)}, problem{loss.Stages, labelsProblem(nil, d.Stages)}, problem{loss.Tags, tags})
}

// make creates the secret.
func (b *Backend) make(ctx context.Context, r remote, d *secret.Draft) (*secret.Secret, error) {
	f := newFacts(r.wire)
	h := &stored{Secret: secret.Secret{Name: r.name}, writer: writer{r, f}}
	h.trailer.Created.Time = d.Created
	p, err := h.planAppend(d, b.now())
	if err != nil {
		return nil, err
	}
	if f.secretFact, err = r.createFree(ctx, d.Value, p.description); err != nil {
		return nil, err
	}
	b.listing.Enter(r.name, f.secretFact)
	versions, err := r.versions(ctx)
	if err != nil || len(versions) == 0 {
		return nil, r.op("put").Partly("the secret is made, and cannot be read back", orMalformed(err))
	}
	f.versions = versions[:1]
	number := versions[0].number
	want := wanted{description: f.description, tags: p.tags, expires: map[int64]int64{number: expiry(d.Expires)}, labels: map[string]int64{}}
	for _, l := range d.Stages {
		want.labels[l] = number
	}
	if _, err := run(ctx, want.steps(h.writer)); err != nil {
		return nil, r.op("put").Partly("the secret is made, and some of its attributes may not be written", err)
	}
	return b.answer(r.name, f, number, d.Value), nil
}

// errTaken: the name was taken since it was looked at.
var errTaken = errors.New("the name is taken")

// createFree makes the secret, or fails with errTaken. Whoever took the name may have
// purged the secret before it is looked up: then what is refused was perhaps not this
// request, and it is tried once more.
func (r remote) createFree(ctx context.Context, v secret.Value, description string) (secretFact, error) {
	for again := false; ; again = true {
		made, err := r.create(ctx, v, description)
		if err == nil {
			return made, nil
		}
		err, gone := r.taken(ctx, err)
		if !gone || again {
			return secretFact{}, err
		}
	}
}

// taken is the error of a creation that the product refused. It has no code of
// its own for a name that is taken, so that is looked up; gone tells that nothing
// has the name now. Where it cannot be looked up for now, it is that error.
func (r remote) taken(ctx context.Context, err error) (_ error, gone bool) {
	if !kit.Is(err, secret.Invalid, secret.Conflict, secret.Trashed) {
		return err, false
	}
	switch f, showErr := r.show(ctx); {
	case kit.Is(showErr, secret.Unavailable, secret.Throttled): // nobody knows, and nothing was changed
		return showErr, false
	case showErr != nil:
		return err, kit.Is(showErr, secret.NotFound)
	case f.pending():
		return r.op("create").Error(secret.Trashed, "", secret.Cause(err)), false
	}
	return r.op("create").Error(secret.Conflict, "another writer came first", errTaken), false
}

// orMalformed is err, or that of an answer which lacks what it must have.
func orMalformed(err error) error {
	if err != nil {
		return err
	}
	return op("put", "").Error(secret.Unknown, "", kit.ErrMalformed)
}
