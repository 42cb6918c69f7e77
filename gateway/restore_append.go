package gateway

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

func howManyStand(n, of int) string {
	return fmt.Sprintf("%d of %d versions stand; the same restore again completes it where the product allows", n, of)
}

// appendVersions adds the versions of sec that the target lacks, by UID and,
// failing that, by a digest of what they hold. What it adds gets new ordinals
// after those that stand. mark is of a state that was seen before: where the secret
// has left it, nothing is added. Without one others may add the same unseen.
func (s *Service) appendVersions(ctx context.Context, j *job, mark secret.Mark, sec *secret.Secret, left []secret.Loss, o RestoreOptions, out *Outcome) (*Outcome, error) {
	have, err := j.Backend.Export(ctx, sec.Name)
	if err != nil {
		return nil, err
	}
	var lacking []*secret.Version
	out.Versions, lacking = matchVersions(have, sec)
	if o.Append != nil {
		lacking = slices.DeleteFunc(lacking, func(v *secret.Version) bool { return !slices.Contains(o.Append, v.Ordinal) })
	}
	out.Appended = true
	return s.addVersions(ctx, j, have, mark, sec, lacking, left, o, out)
}

// addVersions adds those of sec that are lacking to what the target has.
func (s *Service) addVersions(ctx context.Context, j *job, have *secret.Secret, mark secret.Mark, sec *secret.Secret, lacking []*secret.Version, left []secret.Loss, o RestoreOptions, out *Outcome) (*Outcome, error) {
	part := partToAppend(sec, lacking)
	losses := j.Backend.Forecast(part)
	losses = append(losses, j.appendLosses(have, loss.Apply(part, losses))...)
	losses = append(losses, lossesForLackOfRoom(j.caps.Product, j.mostVersions(have), len(have.Versions), sec, loss.Apply(part, losses))...)
	losses = append(losses, lossesBesideWhatStands(j.Backend, have, sec, loss.Apply(part, losses))...)
	losses = append(losses, slices.DeleteFunc(left, func(l secret.Loss) bool { return part.Find(secret.ByOrdinal(l.Version)) == nil })...)
	if err := s.acceptLosses(j, sec, part, losses, o, out); err != nil {
		return nil, err
	}
	part = loss.Apply(part, losses)
	out.Added = len(part.Versions)
	if o.DryRun {
		return dryRunOutcome(j, have, out), nil
	}
	j.entry.Versions = nil
	added := *have
	var err error
	added.Versions, err = writeBeside(ctx, j, mark, sec, part)
	for i := range added.Versions {
		ordinal := added.Versions[i].Ordinal
		out.Versions[part.Versions[i].Ordinal] = ordinal
		j.entry.Versions = append(j.entry.Versions, int64(ordinal))
	}
	if len(added.Versions) > 0 {
		s.afterWrite(ctx, j, hook.Append, &added)
	}
	if err == nil {
		out.Secret, err = j.Backend.Describe(ctx, sec.Name)
	}
	if err != nil {
		return nil, appendError(err, sec.Name, len(added.Versions), out.Added)
	}
	return out, nil
}

// writeBeside adds the versions of part, which is of sec: all at once where the product
// binds that to a state. It returns those that stand, also beside an error.
func writeBeside(ctx context.Context, j *job, mark secret.Mark, sec, part *secret.Secret) (added []secret.Version, err error) {
	var drafts []secret.Draft
	for i := range part.Versions {
		drafts = append(drafts, appendDraft(sec, &part.Versions[i], part))
	}
	if mark != "" && len(drafts) > 0 {
		made, err := j.marker.Append(ctx, sec.Name, mark, drafts)
		if err != nil {
			return nil, err
		}
		return made.Versions, nil
	}
	for _, d := range drafts {
		made, err := putBeside(ctx, j, sec.Name, d)
		if err != nil {
			return added, err
		}
		added = append(added, *made.Newest())
	}
	return added, nil
}

// lossesForLackOfRoom lists which of the versions of part a product that holds
// so many, of which some stand, has no room for. What stands is never pushed
// out: first those are left out that hold no role and no label in sec, the
// oldest first, and then the oldest of the rest.
func lossesForLackOfRoom(product string, most, stand int, sec, part *secret.Secret) []secret.Loss {
	var out []secret.Loss
	if most == 0 {
		return nil
	}
	over := len(part.Versions) - max(0, most-stand)
	for _, named := range []bool{false, true} {
		for i := range part.Versions {
			if v := &part.Versions[i]; over > 0 && named != history.Free(sec, v) {
				over--
				out = append(out, secret.Loss{
					Grade: secret.Data, Version: v.Ordinal, What: loss.Version,
					Why: fmt.Sprintf("%s holds %d versions, and %d stand already", product, most, stand),
				})
			}
		}
	}
	return out
}

// lossesBesideWhatStands lists which of the versions of part fit alone, and not
// on top of what stands: a product may keep what it has no room for otherwise,
// of the whole secret, with the newest version. It would refuse such a version
// in the middle of the append.
func lossesBesideWhatStands(b backends.Backend, have, sec, part *secret.Secret) []secret.Loss {
	var out []secret.Loss
	stands, known := have, forecastAsLaidOut(b, have)
	for i := range part.Versions {
		v := &part.Versions[i]
		grown, o := grownBy(stands, sec, v, part)
		losses := forecastAsLaidOut(b, grown)
		if l := firstNew(losses, known, o); l != nil {
			out = append(out, secret.Loss{
				Grade: secret.Data, Version: v.Ordinal, What: loss.Version,
				Why: "with what stands already, this would be so: " + l.Sentence(),
			})
			continue
		}
		stands, known = grown, losses
	}
	return out
}

// layouts are the forecasts of a secret that keeps what is of the whole with its
// current version, and of one that keeps it with the newest: products differ.
type layouts [2][]secret.Loss

func forecastAsLaidOut(b backends.Backend, s *secret.Secret) layouts {
	out := layouts{b.Forecast(s)}
	newest := *s
	if last := s.Newest(); last != nil && last.Ordinal != s.Current {
		newest.Current, newest.Previous = last.Ordinal, s.Current
	}
	out[1] = b.Forecast(&newest)
	return out
}

// firstNew is a loss of the secret or of the version o that none of known is,
// in the same layout; nil: there is none.
func firstNew(losses, known layouts, o secret.Ordinal) *secret.Loss {
	for layout := range losses {
		for i := range losses[layout] {
			l := &losses[layout][i]
			if l.Version != 0 && l.Version != o || l.Grade <= secret.Trace || !loss.TakesAway(*l) {
				continue
			}
			if !slices.ContainsFunc(known[layout], func(k secret.Loss) bool { return k.Version == l.Version && k.What == l.What }) {
				return l
			}
		}
	}
	return nil
}

// grownBy is s once v of sec is appended, as one of part, under the ordinal that is returned.
func grownBy(s, sec *secret.Secret, v *secret.Version, part *secret.Secret) (*secret.Secret, secret.Ordinal) {
	out, added := *s, *v
	added.Ordinal = 1
	if last := s.Newest(); last != nil {
		added.Ordinal = last.Ordinal + 1
	}
	out.Versions = append(slices.Clone(s.Versions), added)
	for i := range s.Versions {
		w := &out.Versions[i]
		w.Stages = slices.DeleteFunc(slices.Clone(w.Stages), func(l string) bool { return slices.Contains(v.Stages, l) })
	}
	switch {
	case v.Ordinal == sec.Current, passes(sec, v, part):
		out.Current, out.Previous = added.Ordinal, s.Current
	case v.Ordinal == sec.Previous:
		out.Previous = added.Ordinal
	}
	return &out, added.Ordinal
}

// partToAppend is what appending adds to a secret, as a document to forecast:
// the attributes of the secret itself stay as they stand.
func partToAppend(sec *secret.Secret, lacking []*secret.Version) *secret.Secret {
	part := &secret.Secret{Name: sec.Name, Created: sec.Created, Updated: sec.Updated}
	for _, v := range lacking {
		part.Versions = append(part.Versions, *v)
		if v.Ordinal == sec.Current {
			part.Current = v.Ordinal
		}
	}
	slices.SortFunc(part.Versions, func(a, b secret.Version) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return part
}

// passes reports whether v is to be current until the current version of sec, which
// follows it, is added: so it becomes the previous one, as it did at the source,
// also if the append is interrupted in between and made again.
func passes(sec *secret.Secret, v *secret.Version, part *secret.Secret) bool {
	return v.Ordinal == sec.Previous && v.Ordinal < sec.Current && part.Find(secret.ByOrdinal(sec.Current)) != nil
}

func appendDraft(sec *secret.Secret, v *secret.Version, part *secret.Secret) secret.Draft {
	current := v.Ordinal == sec.Current || passes(sec, v, part)
	return secret.Draft{
		Value: v.Value, ContentType: v.ContentType, Tags: v.Tags, Disabled: v.Disabled,
		NotBefore: v.NotBefore, Expires: v.Expires, Extra: v.Extra, Stages: v.Stages,
		KeepCurrent: !current, TakePrevious: v.Ordinal == sec.Previous && !current,
		UID: v.UID, Created: v.Created, Updated: v.Updated, Missing: v.Missing,
	}
}

func appendError(err error, name secret.Name, done, of int) error {
	if done == 0 {
		return err
	}
	kind := secret.Partial
	if secret.KindOf(err) == secret.Unknown {
		kind = secret.Unknown
	}
	return &secret.Error{
		Kind: kind, Name: name, Err: secret.Cause(err), RetryAfter: retryAfterOf(err),
		Detail: fmt.Sprintf("%d of %d new versions were added; %s", done, of, afterAppend(err, done == of)) + told(err),
	}
}

// afterAppend says what is next where an append stopped midway.
func afterAppend(err error, all bool) string {
	if all {
		return "how they stand could not be read"
	}
	switch secret.KindOf(err) {
	case secret.Invalid, secret.TooLarge, secret.Lossy, secret.Unsupported, secret.Upstream:
		if detail := secret.DetailOf(err); detail != "" {
			return "the next one is refused: " + detail
		}
		return "the next one is refused"
	default:
		return "the same restore again adds the rest"
	}
}

// matchVersions pairs the versions of a document with those that stand, and
// returns the ones that have no partner, oldest first.
func matchVersions(have, sec *secret.Secret) (map[secret.Ordinal]secret.Ordinal, []*secret.Version) {
	byUID := map[secret.UID]secret.Ordinal{}
	for i := range have.Versions {
		byUID[have.Versions[i].UID] = have.Versions[i].Ordinal
	}
	pairs := map[secret.Ordinal]secret.Ordinal{}
	taken := map[secret.Ordinal]bool{}
	var rest []*secret.Version
	for i := range sec.Versions {
		v := &sec.Versions[i]
		if o, ok := byUID[v.UID]; ok {
			pairs[v.Ordinal], taken[o] = o, true
			continue
		}
		rest = append(rest, v)
	}
	digest := newDigester()
	byDigest := map[string][]secret.Ordinal{}
	for i := range have.Versions {
		if v := &have.Versions[i]; !taken[v.Ordinal] {
			d := digest(v)
			byDigest[d] = append(byDigest[d], v.Ordinal)
		}
	}
	var lacking []*secret.Version
	for _, v := range rest {
		d := digest(v)
		if left := byDigest[d]; len(left) > 0 && !v.Value.IsNone() {
			pairs[v.Ordinal], byDigest[d] = left[0], left[1:]
			continue
		}
		lacking = append(lacking, v)
	}
	return pairs, lacking
}

// newDigester returns a digest of a version's content under a key that is
// never kept, so that digests in memory tell nothing about values.
func newDigester() func(*secret.Version) string {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return func(v *secret.Version) string {
		h := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(h, "%d %d ", v.Value.Form(), len(v.ContentType))
		_, _ = h.Write([]byte(v.ContentType))
		_, _ = h.Write(v.Value.Reveal())
		return string(h.Sum(nil))
	}
}
