package migrate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// moving is one secret on its way.
type moving struct {
	*Run
	entry *Entry
	// repeats: a run before this one began to write. begun: this one did.
	repeats, begun bool
	stood          int // versions at the target, of an append
	source         *inventory.Entry
	// unfinished: nobody knows what stands, or only a part of it does.
	unfinished bool
}

// What a *staleError says.
const (
	sourceChanged = "the source has changed since the plan was made; plan again"
	sourceGone    = "the source has it no more"
	targetChanged = "the target has changed since the plan was made; plan again"
	targetTaken   = "the target has got a secret of this name since the plan was made; plan again"
)

// move does what the plan says, and fills in the journal's line.
func (m *moving) move(ctx context.Context, line *Line) error {
	packed, err := m.From.pack(ctx, m.Key, m.entry.Name, gateway.PackOptions{BackupOptions: m.Rules.backup()})
	switch {
	case errors.Is(err, secret.NotFound), errors.Is(err, secret.Trashed):
		return m.leftover(ctx, sourceGone)
	case err != nil:
		m.unfinished = m.repeats
		return err
	case m.Key.StateOf(packed.Entry) != m.entry.Source:
		return m.leftover(ctx, sourceChanged)
	}
	m.source = packed.Entry
	if m.entry.Action == DoAppend {
		if done, err := m.mayAppend(ctx, packed.Entry); done || err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.Journal.Write(Line{Step: Begun, Name: m.entry.Name}); err != nil {
		return err
	}
	m.begun = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.Finish)
	defer cancel()
	return m.write(ctx, packed, line)
}

// standing is what the target has under the name.
func (m *moving) standing(ctx context.Context) (*inventory.Entry, error) {
	return m.To.Digest(ctx, m.Key, m.entry.To, gateway.DigestOptions{Of: m.entry.Name})
}

// mayAppend holds the target to what the plan saw. Done: all of it stands already.
func (m *moving) mayAppend(ctx context.Context, src *inventory.Entry) (done bool, err error) {
	have, err := m.standing(ctx)
	switch {
	case errors.Is(err, secret.NotFound):
		return false, stale(targetChanged)
	case err != nil:
		return false, err
	}
	m.stood = len(have.Versions)
	switch {
	case m.Key.StateOf(have) == m.entry.Target:
		return false, nil
	case m.repeats && countForeign(src, have) <= m.entry.Foreign:
		return m.arrived(src, have), nil
	}
	return false, stale(targetChanged)
}

// attempts is how often a write is made whose outcome was unknown, or that left a
// part: each completes what the one before it began.
const attempts = 4

func (m *moving) write(ctx context.Context, packed *gateway.Packed, line *Line) error {
	o := m.Rules.restore(m.entry)
	o.Archive, o.Token = m.Archive, m.token()
	if m.Journal == nil {
		o = unarchived(o)
	}
	unsure := m.repeats
	for n := 0; ; n++ {
		out, err := m.To.restore(ctx, packed.Blob, o)
		switch {
		case err == nil:
			line.Versions, line.Archive = len(out.Secret.Versions), out.Archive
			return m.lookBack(ctx, packed.Entry, out)
		case errors.Is(err, secret.AlreadyExists) && m.entry.Action == DoCreate:
			return m.taken(ctx, packed.Entry, line, unsure)
		case !errors.Is(err, secret.Unknown) && !errors.Is(err, secret.Partial) && !errors.Is(err, secret.Conflict):
			m.unfinished = unsure
			return err
		}
		unsure = true
		if n == attempts-1 || !sleep(ctx, pause(n)) {
			m.unfinished = true
			return err
		}
	}
}

// token names the import, so that a repeat after a crash is the same one.
func (m *moving) token() string {
	return string(m.Key.MAC("import", []byte(m.entry.Source), []byte(m.entry.Name), []byte(m.To.Store), []byte(m.entry.To)))
}

// taken decides whether a secret that stands is what this move wrote: one that
// began before may have come to its end unseen.
func (m *moving) taken(ctx context.Context, src *inventory.Entry, line *Line, unsure bool) error {
	if !unsure {
		return stale(targetTaken)
	}
	have, err := m.standing(ctx)
	if err != nil {
		m.unfinished = true
		return err
	}
	line.Versions = len(have.Versions)
	if n := countForeign(src, have); n > 0 || !m.arrived(src, have) {
		return secret.Errorf(secret.AlreadyExists, "the name is taken at the target by another secret, and nothing of it was changed")
	}
	return nil
}

// countForeign is how many versions of have src does not have.
func countForeign(src, have *inventory.Entry) (n int) {
	for _, part := range inventory.Compare(src, have).Parts {
		if part.What == inventory.PartAdded {
			n++
		}
	}
	return n
}

// arrived reports whether all versions stand that the plan writes.
func (m *moving) arrived(src, have *inventory.Entry) bool {
	lacking := inventory.Lacking(src, have)
	return !slices.ContainsFunc(m.entry.Versions, func(o secret.Ordinal) bool { return slices.Contains(lacking, o) })
}

// lookBack reports what somebody else wrote between the look and the write, where
// the product cannot keep others out meanwhile.
func (m *moving) lookBack(ctx context.Context, src *inventory.Entry, out *gateway.Outcome) error {
	expected := len(m.entry.Versions)
	if m.entry.Action == DoAppend {
		expected = m.stood + out.Added
	}
	if len(out.Secret.Versions) == expected {
		return nil
	}
	have, err := m.standing(ctx)
	if err != nil {
		return err
	}
	if n := countForeign(src, have); n > 0 {
		return secret.Errorf(secret.Conflict, "somebody wrote to the name at the target at the same moment: all of this secret stands, and beside it %d versions that are not its own", n)
	}
	if m.arrived(src, have) {
		return nil
	}
	for _, l := range out.Losses {
		if l.What == loss.Version { // as of another product than the plan's
			return secret.Errorf(secret.Lossy, "the plan does not say that %s", l.Sentence())
		}
	}
	return secret.Errorf(secret.Conflict, "versions that were written are not at the target any more")
}

// leftover is a stale entry; what a run before this one began at the target is
// named.
func (m *moving) leftover(ctx context.Context, why string) error {
	if !m.repeats {
		return stale(why)
	}
	switch have, err := m.standing(ctx); {
	case err == nil && m.entry.Action == DoCreate:
		return secret.Errorf(secret.Conflict, "%s; an interrupted run wrote it to the target, with %d versions", why, len(have.Versions))
	case err == nil:
		return secret.Errorf(secret.Conflict, "%s; an interrupted run may have added versions at the target", why)
	}
	m.unfinished = true
	return secret.Errorf(secret.Conflict, "%s; an interrupted run may have left an unfinished import at the target: list --left-out shows it", why)
}

// DefaultFinish is for how long what has begun may go on after an interruption.
const DefaultFinish = 10 * time.Minute
