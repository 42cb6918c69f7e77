package migrate

import (
	"context"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Verification compares both sides of a move by what the plan says of each secret.
type Verification struct {
	From, To Looker
	Key      inventory.Key
	Readers  int
	// Listed, if not nil, is the source: what it lists and the plan lacks, and Takes
	// wants, is told, too.
	Listed *Side
	Takes  func(secret.Name) bool
}

// Verdict is what a verification says of one secret.
type Verdict struct {
	Entry *Entry // of the plan; of a name that the plan lacks, the name alone
	Sign  inventory.Sign
	Parts []inventory.Part
	// Foretold: all that differs was foretold by the plan.
	Foretold bool
	// Stays: the plan left the secret where it is, so nothing that differs breaks what
	// it promised.
	Stays bool
	// Unseen is how many values one of the products does not show.
	Unseen int
	// SourceChanged and TargetChanged: a side is not what the plan saw. Of a target
	// that the plan wrote to, that says nothing.
	SourceChanged, TargetChanged bool
	Why                          string
	// Source is what stands there; nil: nothing.
	Source *inventory.Entry
}

// Differs reports whether the sides differ in what nobody foretold.
func (v *Verdict) Differs() bool {
	return v.Sign != inventory.Same && v.Sign != inventory.Incomparable && !v.Foretold && !v.Stays
}

// Do calls tell with a verdict on each secret, those that the plan lacks last.
func (v *Verification) Do(ctx context.Context, entries func(func(*Entry) error) error, tell func(*Verdict) error) error {
	planned := map[secret.Name]bool{}
	each := func(_ context.Context, do func(*Entry) error) error {
		return entries(func(e *Entry) error {
			if v.Listed != nil {
				planned[e.Name] = true
			}
			if e.Class == Deleted {
				return nil
			}
			return do(e)
		})
	}
	if err := inorder.Do(ctx, v.Readers, each, v.compare, tell); err != nil {
		return err
	}
	if v.Listed == nil {
		return nil
	}
	src := inventory.Source{
		List:  v.Listed.List,
		Takes: func(s *secret.Secret) bool { return !planned[s.Name] && v.Takes(s.Name) },
	}
	return src.Each(ctx, func(s *secret.Secret) error {
		if s.NameAlone() {
			if is, _, err := src.Resolve(ctx, s.Name); is == nil || is.Deleted != nil || err != nil {
				return err
			}
		}
		return tell(&Verdict{Entry: &Entry{Name: s.Name}, Sign: inventory.OnlyA, Why: "new at the source since the plan was made"})
	})
}

func (v *Verification) compare(ctx context.Context, e *Entry) (*Verdict, error) {
	src, why, err := v.From.Look(ctx, e.Name, e.Name)
	if err != nil {
		return nil, err
	}
	var have *inventory.Entry
	if e.To != "" {
		var too string
		if have, too, err = v.To.Look(ctx, e.To, e.Name); err != nil {
			return nil, err
		}
		if too != "" {
			why = strings.TrimPrefix(why+"; "+too, "; ")
		}
	}
	out := e.Judge(src, have)
	if why != "" { // whatever stands on the other side
		out.Sign, out.Why = inventory.Incomparable, why
	}
	out.Stays = e.left() && out.Sign != inventory.Same && (out.Sign != inventory.Incomparable || e.Class == Unreadable)
	out.SourceChanged = stateOf(v.Key, src) != e.Source
	out.TargetChanged = stateOf(v.Key, have) != e.Target
	return out, nil
}

// stateOf is empty of what is not there.
func stateOf(k inventory.Key, e *inventory.Entry) inventory.Digest {
	if e == nil {
		return ""
	}
	return k.StateOf(e)
}

// also is what a loss of each word shows as beside its own word.
var also = map[string][]string{
	loss.Version:           {inventory.PartMissing},
	loss.Value:             {inventory.PartValue, inventory.PartState},
	loss.State:             {inventory.PartState},
	loss.ExpiresFraction:   {loss.Expires},
	loss.NotBeforeFraction: {loss.NotBefore},
	loss.Ordinal:           {inventory.PartNumber},
	loss.Number:            {inventory.PartNumber},
	loss.Managed:           {loss.Extra},
	loss.Subscriptions:     {loss.Extra},
	loss.Deletion:          {loss.Extra},
	loss.Form:              {inventory.PartValue, loss.ContentType},
}

// foretold reports whether the plan said that the part would differ. What a product
// does not show is no difference that anybody can see.
func (e *Entry) foretold(p inventory.Part, src *inventory.Entry) bool {
	switch {
	case p.What == inventory.PartUnseen, e.shown(p):
		return true
	case p.What == inventory.PartNumber && e.Numbers[p.Version] != 0:
		return true
	case p.What == inventory.PartCurrent: // a role goes with the version that had it
		return e.loses(src.Current, loss.Version)
	case p.What == inventory.PartPrevious:
		return e.loses(src.Previous, loss.Version)
	}
	if e.loses(p.Version, p.What) {
		return true
	}
	for word, shows := range also {
		if slices.Contains(shows, p.What) && e.loses(p.Version, word) {
			return true
		}
	}
	return false
}

func (e *Entry) loses(version secret.Ordinal, what string) bool {
	return slices.ContainsFunc(e.Losses, func(l Loss) bool { return l.Version == version && l.What == what })
}

// shown reports whether the sides differed so when the plan was made, in what it
// does not write.
func (e *Entry) shown(p inventory.Part) bool {
	writes := e.Action != "" && (p.Version == 0 || slices.Contains(e.Versions, p.Version))
	return !writes && e.Class != Conflict && slices.Contains(e.Differs, Differs(p))
}
