package azurekv

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend.
func (b *Backend) Forecast(s *secret.Secret) []secret.Loss {
	wire, err := naming.Encode(s.Name)
	if err != nil {
		return nil // Import refuses the name itself
	}
	_, losses := plan(wire, s, marker(""), b.now())
	return losses
}

// markerLen is enough to tell the imports of one name apart.
const markerLen = 6

// marker is what an import's versions carry: of the token, or of chance.
func marker(token string) string {
	sum := sha256.Sum256([]byte(token))
	if token == "" {
		_, _ = rand.Read(sum[:]) // never fails (crypto/rand)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:])[:markerLen]
}

// Import implements backends.Backend: it looks, and writes one version after
// the other, the current one last. It stops at the first failure and says what
// stands; a second try with the token writes the rest.
func (b *Backend) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	wire, err := naming.Encode(s.Name)
	if err != nil {
		return nil, err
	}
	if _, err := history.HeadOf(s); err != nil {
		return nil, err
	}
	release, err := b.locks.Lock(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	defer release()
	mark := marker(token)
	sheets, _ := plan(wire, s, mark, b.now())
	if err := writable(sheets); err != nil {
		return nil, err
	}
	im := &importing{b: b, name: s.Name, wire: wire, path: spelling(wire, s.Extra), sheets: sheets}
	if err := im.look(ctx, token, mark); err != nil {
		return nil, err
	}
	return im.write(ctx)
}

// writable refuses before anything is written what would fail midway.
func writable(sheets []*sheet) error {
	if len(sheets) == 0 {
		return secret.Errorf(secret.Invalid, "Key Vault can hold none of the versions")
	}
	for _, s := range sheets {
		if !s.tag.fits() {
			return secret.Errorf(secret.Invalid, "the identity of version %d does not fit in a tag", s.version.Ordinal)
		}
	}
	return nil
}

// importing is one import under way.
type importing struct {
	b          *Backend
	name       secret.Name
	wire, path string
	sheets     []*sheet
	items      []item // what stands, of the product
	stands     map[secret.UID]bool
}

// look refuses a name that is taken, unless by a try of this very import.
func (im *importing) look(ctx context.Context, token, mark string) error {
	im.stands = map[secret.UID]bool{}
	items, gone, err := im.lookBoth(ctx)
	switch {
	case err != nil:
		return err
	case len(items) == 0 && gone:
		return &secret.Error{Kind: secret.Trashed, Op: "azurekv.import", Name: im.name}
	}
	for i := range items {
		t := items[i].tag
		if token == "" || t == nil || t.Import != mark || !im.ours(secret.UID(t.UID)) {
			return &secret.Error{Kind: secret.AlreadyExists, Op: "azurekv.import", Name: im.name}
		}
		im.stands[secret.UID(t.UID)] = true
	}
	if len(im.stands) == len(im.sheets) { // finished: a secret like any other
		return &secret.Error{Kind: secret.AlreadyExists, Op: "azurekv.import", Name: im.name}
	}
	im.items = items
	return nil
}

// lookBoth looks among the live secrets and among the deleted at the same time.
// Where a vault refuses one of the two and throttles the other for that, the
// refusal is what there is to tell.
func (im *importing) lookBoth(ctx context.Context) (items []item, gone bool, err error) {
	var goneErr error
	var g sync.WaitGroup
	g.Go(func() { gone, goneErr = im.b.client.isDeleted(ctx, im.name, im.wire) })
	items, err = im.b.client.versions(ctx, im.name, im.wire, nothing)
	g.Wait()
	if err == nil || kit.Is(goneErr, secret.Upstream) {
		err = goneErr
	}
	return items, gone, err
}

func (im *importing) ours(u secret.UID) bool {
	return slices.ContainsFunc(im.sheets, func(s *sheet) bool { return s.version.UID == u })
}

func (im *importing) write(ctx context.Context) (*backends.Imported, error) {
	for _, s := range im.sheets {
		if im.stands[s.version.UID] {
			continue
		}
		it, err := im.b.client.set(ctx, im.name, im.path, s.parameters())
		if err != nil {
			return im.stopped(err)
		}
		im.items = append(im.items, it)
		im.stands[s.version.UID] = true
	}
	im.b.listing.Enter(im.name, im.items[len(im.items)-1])
	h := newStored(im.b.place, im.name, im.items, "")
	return &backends.Imported{Secret: h.Clone(), Stands: im.ordinals()}, nil
}

func (im *importing) ordinals() []secret.Ordinal {
	var out []secret.Ordinal
	for _, s := range im.sheets {
		if im.stands[s.version.UID] {
			out = append(out, s.version.Ordinal)
		}
	}
	slices.Sort(out)
	return out
}

// stopped is the error of an import that failed midway. As long as nothing
// stands it is just the error of the write.
func (im *importing) stopped(err error) (*backends.Imported, error) {
	unknown := kit.Is(err, secret.Unknown)
	if len(im.stands) == 0 && !unknown {
		return nil, err
	}
	detail := fmt.Sprintf("%d of %d versions are written", len(im.stands), len(im.sheets))
	if unknown {
		detail += ", and one more may be"
	}
	return &backends.Imported{Stands: im.ordinals()}, writeOp("import", im.name).Partly(detail, err)
}
