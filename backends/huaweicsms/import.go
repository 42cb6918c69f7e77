package huaweicsms

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (b *Backend) Forecast(s *secret.Secret) []secret.Loss {
	wire, err := encodeName(s.Name)
	if err != nil {
		return nil // Import refuses the name itself
	}
	return newPlan(wire, s, noMarker).losses
}

const (
	markerLen = 6 // enough to tell the imports of one name apart
	noMarker  = "------"
)

// marker is what the description of an import carries until it is done: of the
// token, or of chance.
func marker(token string) string {
	sum := sha256.Sum256([]byte(token))
	if token == "" {
		_, _ = rand.Read(sum[:]) // never fails (crypto/rand)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:])[:markerLen]
}

// Import implements backends.Backend. It makes the secret with its first
// version, which the product refuses where the name is taken, then adds the
// others one by one, then what they share. The description carries a mark until
// all is done. It stops at the first failure and says what stands; a second try
// with the token proves that, and goes on.
func (b *Backend) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	if _, err := history.HeadOf(s); err != nil {
		return nil, err
	}
	var out *backends.Imported
	err := b.changing(ctx, s.Name, func(wire string) (err error) {
		var h *stored
		look, lookCtx := errgroup.WithContext(ctx)
		look.Go(func() (err error) { // laying out takes as long as this does
			h, err = b.look(lookCtx, s.Name, wire)
			return err
		})
		p, err := planImport(wire, s, token)
		if lookErr := look.Wait(); err == nil {
			err = lookErr
		}
		if err != nil {
			return err
		}
		im := &importing{b: b, w: b.writer(s.Name, wire), plan: p, token: token}
		out, err = im.run(ctx, h)
		return err
	})
	return out, err
}

// planImport is newPlan for one import, and refuses what cannot be one.
func planImport(wire string, s *secret.Secret, token string) (*plan, error) {
	p := newPlan(wire, s, noMarker) // the forecast knew no marker, so the layout must not depend on it
	p.t.Import = marker(token)
	switch {
	case len(p.versions) == 0:
		return nil, secret.Errorf(secret.Invalid, "CSMS can hold none of the versions")
	case p.cramped && !fits(wire, p.human, &p.t, 0):
		return nil, secret.Errorf(secret.Invalid, "the identities of the versions do not fit in a description")
	}
	return p, nil
}

// importing is one import under way.
type importing struct {
	b     *Backend
	w     writer
	plan  *plan
	token string
	f     *facts // of the product, as far as the import has heard
	made  int    // versions that stand
}

// run imports where h is what stands, nil: nothing.
func (im *importing) run(ctx context.Context, h *stored) (*backends.Imported, error) {
	var err error
	switch {
	case h == nil:
		err = im.begin(ctx)
	case h.f.pending():
		return nil, im.refuse(secret.Trashed, nil)
	case im.token == "" || h.t.Import != im.plan.t.Import:
		return nil, im.refuse(secret.AlreadyExists, nil)
	default:
		err = im.resume(ctx, h)
	}
	if err == nil {
		err = im.versions(ctx)
	}
	if err == nil {
		err = im.finish(ctx)
	}
	if err != nil {
		return im.stopped(err)
	}
	im.b.listing.Enter(im.w.name, im.f.head)
	return &backends.Imported{Secret: newStored(im.b.place, im.w.name, im.f).Clone(), Stands: im.stands()}, nil
}

// unread is the error where only a look at what stands is missing.
func (im *importing) unread(detail string, err error) error {
	return &secret.Error{Kind: secret.Unknown, Op: "huaweicsms.import", Name: im.w.name, Detail: detail, Err: secret.Cause(err)}
}

func (im *importing) refuse(k secret.Kind, err error) error {
	return &secret.Error{Kind: k, Op: "huaweicsms.import", Name: im.w.name, Err: err}
}

func (im *importing) begin(ctx context.Context) error {
	p := im.plan
	made, err := im.w.create(ctx, p.versions[0].Value, join(p.wire, p.human, &p.t), im.b.key, im.b.project)
	if err == nil {
		im.f, im.made = &facts{head: made}, 1
		return nil
	}
	if err = im.b.taken(ctx, im.w.name, im.w.wire, err); !errors.Is(err, errTaken) {
		return err
	}
	h, err := im.b.look(ctx, im.w.name, im.w.wire)
	switch {
	case err != nil || h == nil:
		return im.unread("whose the secret is could not be read", orError(err, errMalformed))
	case h.t.Import != p.t.Import || h.f.pending():
		return im.refuse(secret.AlreadyExists, errTaken)
	}
	return im.resume(ctx, h) // the request came twice: the mark is this import's own
}

// resume proves that what stands is what this import would have written, in its
// order: each version once, but for a request that came twice, or late. Of such
// a surplus the description tells before anything else is written.
func (im *importing) resume(ctx context.Context, h *stored) error {
	contents, err := im.read(ctx, h)
	if err != nil {
		return err
	}
	p, said := im.plan, len(h.t.Surplus)
	im.f, im.made = h.f, 0
	for i, c := range contents {
		switch number := int64(i) + 1; {
		case slices.Contains(p.t.Surplus, number):
		case im.made < len(p.versions) && im.holds(c, im.made) && !slices.Contains(h.t.Surplus, number):
			im.made++
		case im.made > 0 && im.holds(c, im.made-1):
			p.skip(number)
		default:
			return im.intruder()
		}
	}
	if len(p.t.Surplus) == said {
		return nil
	}
	description := join(p.wire, p.human, &p.t)
	if len(description) > maxDescription {
		return im.intruder()
	}
	if err := im.w.describe(ctx, description); err != nil {
		return err
	}
	im.f.description = description
	return nil
}

// read reads what stands, by number from one.
func (im *importing) read(ctx context.Context, h *stored) ([]content, error) {
	out := make([]content, len(h.f.versions))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range h.f.versions {
		if h.f.versions[i].number != int64(i)+1 {
			return nil, im.intruder()
		}
		g.Go(func() (err error) {
			_, out[i], err = im.b.client.value(gctx, im.w.name, im.w.wire, idOf(int64(i)+1))
			return err
		})
	}
	return out, g.Wait()
}

// holds reports whether c is the value of the version with this index.
func (im *importing) holds(c content, i int) bool {
	return c.value(im.plan.t.Entries[i].Form).Equal(im.plan.versions[i].Value)
}

func (im *importing) intruder() error {
	return &secret.Error{
		Kind: secret.Conflict, Op: "huaweicsms.import", Name: im.w.name,
		Detail: "another writer added versions to the unfinished import, or a lost write landed late: remove the secret and repeat",
	}
}

func (im *importing) versions(ctx context.Context) error {
	for im.made < len(im.plan.versions) {
		v := im.plan.versions[im.made]
		expires, _ := expiry(v.Expires)
		fact, err := im.w.append(ctx, v.Value, expires, nil)
		if err != nil {
			return err
		}
		if im.made++; fact.number == im.plan.t.Entries[im.made-1].Number {
			continue
		}
		if err := im.recount(ctx); err != nil {
			return err
		}
	}
	return nil
}

// recount looks again at what stands: a request came twice, or late, or another
// writer is at work.
func (im *importing) recount(ctx context.Context) error {
	h, err := im.b.look(ctx, im.w.name, im.w.wire)
	if err == nil && h == nil {
		err = orError(nil, errMalformed)
	}
	if err != nil {
		return err
	}
	return im.resume(ctx, h)
}

// finish writes what the versions share. The description, which ends the
// import, comes last.
func (im *importing) finish(ctx context.Context) error {
	for range maxReads {
		if err := im.hear(ctx); err != nil {
			return err
		}
		if int64(len(im.f.versions)) != im.plan.newest() {
			if err := im.recount(ctx); err != nil {
				return err
			}
			continue
		}
		want := im.plan.wanted()
		want.description = im.f.description
		steps := want.steps(im.w, im.f)
		last := len(steps) == 0
		if last { // only now is it known who holds the roles
			want.description = im.plan.final(im.f)
			steps = want.steps(im.w, im.f)
		}
		if _, err := run(ctx, steps); err != nil || last {
			return err
		}
	}
	return &secret.Error{Kind: secret.Unavailable, Op: "huaweicsms.import", Name: im.w.name, Detail: "CSMS does not keep what it was told"}
}

// hear asks the product for what it has made of the writes: who holds the roles
// and labels and, where the import brings some, the tags.
func (im *importing) hear(ctx context.Context) (err error) {
	if im.f.versions, err = im.b.client.versions(ctx, im.w.name, im.w.wire); err != nil {
		return err
	}
	if len(im.plan.tags) > 0 {
		im.f.tags, err = im.b.client.tags(ctx, im.w.name, im.f.id)
	}
	return err
}

func (im *importing) stands() []secret.Ordinal {
	var out []secret.Ordinal
	for _, v := range im.plan.versions[:im.made] {
		out = append(out, v.Ordinal)
	}
	return out
}

// stopped is the error of an import that failed midway. As long as nothing
// stands it is just the error of the write.
func (im *importing) stopped(err error) (*backends.Imported, error) {
	unknown := is(err, secret.Unknown)
	if im.made == 0 && !unknown {
		return nil, err
	}
	detail := fmt.Sprintf("%d of %d versions are written", im.made, len(im.plan.versions))
	switch {
	case is(err, secret.Conflict):
		detail += "; " + secret.DetailOf(err)
	case unknown:
		detail += ", and one more write may be done"
	}
	e := partly("import", im.w.name, detail, err)
	return &backends.Imported{Stands: im.stands()}, e
}
