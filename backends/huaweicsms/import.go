package huaweicsms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (b *Backend) Forecast(s *secret.Secret) []secret.Loss {
	wire, err := encodeName(s.Name)
	if err != nil {
		return nil // Import refuses the name itself
	}
	return newPlan(wire, s).losses
}

const (
	markLength = 6 // enough to tell the imports of one name apart
	noMark     = "q7Zx_2"
)

// markOf is what the description of an import carries until it is done: of the
// token, or of chance.
func markOf(token string) string { return kit.ImportMark(token, markLength) }

// Import implements backends.Backend. It makes the secret with its first
// version, which the product refuses where the name is taken, then adds the
// others one by one, then what they share. The description carries a mark until
// all is done. It stops at the first failure and says what stands; a second try
// with the token proves that, and goes on.
func (b *Backend) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	if _, err := history.HeadOf(s); err != nil {
		return nil, err
	}
	return locked(ctx, b, s.Name, func(r remote) (*backends.Imported, error) {
		var h *stored
		look, lookCtx := errgroup.WithContext(ctx)
		look.Go(func() (err error) { // laying out takes as long as this does
			h, err = b.find(lookCtx, r, nil)
			return err
		})
		p, err := planImport(r.wire, s, token)
		lookErr := look.Wait()
		if err = cmp.Or(err, lookErr); err != nil {
			return nil, err
		}
		im := &importing{writer: writer{remote: r}, b: b, plan: p, token: token}
		return im.run(ctx, h)
	})
}

// planImport is newPlan for one import, and refuses what cannot be one.
func planImport(wire string, s *secret.Secret, token string) (*plan, error) {
	p := newPlan(wire, s)
	if p.stored == nil {
		return nil, secret.Errorf(secret.Invalid, "CSMS can hold none of the versions")
	}
	p.trailer.Import = markOf(token) // what is lost must not depend on it
	if p.mark = p.trailer.Import; p.cramped && !p.fits(&p.trailer, 0) {
		return nil, secret.Errorf(secret.Invalid, "the ids and times of the versions do not fit into the 2,048 bytes of a description")
	}
	return p, nil
}

// importing is one import under way.
type importing struct {
	writer // the facts are those that the import has heard
	b      *Backend
	plan   *plan
	token  string
	made   int // versions that stand
}

// run imports where h is what stands, nil: nothing.
func (im *importing) run(ctx context.Context, h *stored) (*backends.Imported, error) {
	var err error
	switch {
	case h == nil:
		err = im.begin(ctx)
	case h.facts.pending():
		return nil, im.op("import").Error(secret.Trashed, "", nil)
	case im.token == "" || h.trailer.Import != im.plan.mark:
		return nil, im.op("import").Error(secret.AlreadyExists, "", nil)
	default:
		err = im.resume(ctx, h)
	}
	if err == nil {
		err = im.addVersions(ctx)
	}
	if err == nil {
		err = im.finish(ctx)
	}
	if err != nil {
		return im.stopped(err)
	}
	im.b.listing.Enter(im.name, im.facts.secretFact)
	return &backends.Imported{Secret: newStored(im.b.scope, im.name, im.facts).Clone(), Stands: im.stands()}, nil
}

func (im *importing) begin(ctx context.Context) error {
	p := im.plan
	made, err := im.createFree(ctx, p.Versions[0].Value, p.join(&p.trailer))
	if err == nil {
		im.facts, im.made = &facts{secretFact: made}, 1
		return nil
	}
	if !errors.Is(err, errTaken) {
		return err
	}
	h, err := im.b.find(ctx, im.remote, nil)
	switch {
	case err != nil || h == nil:
		return im.op("import").Error(secret.Unknown, "the name is taken, and it could not be read by whom", secret.Cause(orMalformed(err)))
	case h.trailer.Import != p.mark || h.facts.pending():
		return im.op("import").Error(secret.AlreadyExists, "", errTaken)
	}
	return im.resume(ctx, h) // the request came twice: the mark is this import's own
}

// resume proves that what stands is what this import would have written, in its
// order: each version once, but for a request that came twice, or late. Of such
// a surplus the description tells before anything else is written.
func (im *importing) resume(ctx context.Context, h *stored) error {
	contents, err := im.readAll(ctx, h)
	if err != nil {
		return err
	}
	p, said := im.plan, h.trailer.Surplus
	im.facts, im.made = h.facts, 0
	for i, c := range contents {
		switch number := int64(i) + 1; {
		case slices.Contains(p.surplus, number):
		case im.made < len(p.Versions) && im.holds(c, im.made) && !slices.Contains(said, number):
			im.made++
		case im.made > 0 && im.holds(c, im.made-1):
			p.skip(number)
		default:
			return im.intruder()
		}
	}
	if len(p.surplus) == len(said) {
		return nil
	}
	description := p.join(&p.trailer)
	if len(description) > maxDescription {
		return im.intruder()
	}
	return im.describe(ctx, description)
}

// readAll reads what stands, by number from one.
func (im *importing) readAll(ctx context.Context, h *stored) ([]*content, error) {
	for i := range h.facts.versions {
		if h.facts.versions[i].number != int64(i)+1 {
			return nil, im.intruder()
		}
	}
	return kit.Gather(ctx, readers, h.facts.versions, func(ctx context.Context, v *versionFact) (*content, error) {
		_, c, err := im.value(ctx, idOf(v.number))
		return &c, err
	})
}

// holds reports whether c is the value of the version with this index.
func (im *importing) holds(c *content, i int) bool {
	return c.value(im.plan.trailer.Versions[i].Form).Equal(im.plan.Versions[i].Value)
}

func (im *importing) intruder() error {
	return im.op("import").Error(secret.Conflict,
		"another writer added versions to the unfinished import, or a lost write landed late: remove the secret and repeat", nil)
}

func (im *importing) addVersions(ctx context.Context) error {
	for im.made < len(im.plan.Versions) {
		v, number := &im.plan.Versions[im.made], im.plan.numbers[im.made]
		made, err := im.append(ctx, v.Value, expiry(v.Expires), nil)
		if err != nil {
			return err
		}
		if im.made++; made.number == number {
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
	h, err := im.b.find(ctx, im.remote, nil)
	if err != nil || h == nil {
		return orMalformed(err)
	}
	return im.resume(ctx, h)
}

// finish writes what the versions share. It asks the product what it has made
// of the writes: who holds the roles and labels and, where the import brings
// some, the tags. The description, which ends the import, comes last.
func (im *importing) finish(ctx context.Context) (err error) {
	for range maxReads {
		if im.facts.versions, err = im.versions(ctx); err == nil && len(im.plan.tags) > 0 {
			im.facts.tags, err = im.tags(ctx, im.facts.id)
		}
		if err != nil {
			return err
		}
		if int64(len(im.facts.versions)) != im.plan.newest() {
			if err := im.recount(ctx); err != nil {
				return err
			}
			continue
		}
		want := im.plan.wanted()
		want.description = im.facts.description
		steps := want.steps(im.writer)
		last := len(steps) == 0
		if last { // only now is it known who holds the roles
			want.description = im.plan.final(im.facts)
			steps = want.steps(im.writer)
		}
		if _, err := run(ctx, steps); err != nil || last {
			return err
		}
	}
	return im.op("import").Error(secret.Unavailable, "CSMS did not keep the changes that the import made", nil)
}

func (im *importing) stands() []secret.Ordinal {
	var out []secret.Ordinal
	for i := range im.made {
		out = append(out, im.plan.Versions[i].Ordinal)
	}
	return out
}

// stopped is the error of an import that failed midway. As long as nothing
// stands it is just the error of the write.
func (im *importing) stopped(err error) (*backends.Imported, error) {
	unknown := kit.Is(err, secret.Unknown)
	if im.made == 0 && !unknown {
		return nil, err
	}
	detail := fmt.Sprintf("%d of %d versions are written", im.made, len(im.plan.Versions))
	switch {
	case kit.Is(err, secret.Conflict):
		detail += "; " + secret.DetailOf(err)
	case unknown:
		detail += ", and one more write may be done"
	}
	return &backends.Imported{Stands: im.stands()}, im.op("import").Partly(detail, err)
}
