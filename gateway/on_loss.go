package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// OnLoss says what to do when a product cannot hold all of a secret. Losses of
// grade trace never ask. Of what a product could not give, only LossAccept
// makes a backup: what cannot be read can be kept nowhere.
//
// It is about restores. A write that pushes an old version out of a product is
// that product's own way and never refused; with LossArchive the secret is
// kept before, and the audit names in either case what goes.
type OnLoss string

// The choices. The empty OnLoss is LossFail.
const (
	LossFail   OnLoss = "fail"
	LossAccept OnLoss = "accept"
	// LossTrim takes it that a product holds too few versions: the oldest that
	// hold neither a role nor a stage are left out. Anything else is refused.
	LossTrim OnLoss = "trim-oldest"
	// LossArchive takes everything, once the whole document lies sealed in the
	// archive.
	LossArchive OnLoss = "archive"
)

// OnLosses lists the choices.
func OnLosses() []OnLoss { return []OnLoss{LossFail, LossAccept, LossTrim, LossArchive} }

// acceptLosses refuses losses that are not taken, and keeps the document where
// they are taken for that reason: nothing is written to the target before that.
// sec is the whole document, part what is to be written of it, losses what is
// lost by that.
func (s *Service) acceptLosses(j *job, sec, part *secret.Secret, losses []secret.Loss, o RestoreOptions, out *Outcome) error {
	out.Losses = losses
	j.entry.Losses = lossLines(losses)
	chosen := map[OnLoss][]secret.Loss{}
	for _, l := range losses {
		if l.Grade > secret.Trace {
			choice := orDefault(o.OnLossOf[l.What], orDefault(o.OnLoss, j.OnLoss))
			chosen[choice] = append(chosen[choice], l)
		}
	}
	refused := beyondTrim(j.Backend, sec, part, chosen[LossTrim])
	for choice, of := range chosen {
		if choice != LossAccept && choice != LossTrim && choice != LossArchive {
			refused = append(refused, of...)
		}
	}
	if err := refuseLosses(sec.Name, refused); err != nil {
		if o.DryRun && o.Foretell {
			out.Refused = secret.DetailOf(err)
			return nil
		}
		return err
	}
	if len(chosen[LossArchive]) == 0 {
		return nil
	}
	blob, err := s.blobToKeep(j)
	if err != nil {
		return err
	}
	out.Archive, err = s.archiveBlob(j, sec.Name, blob, o)
	return err
}

// archiveBlob keeps the blob aside: the document as it came, by the key that has
// just opened it, or of what a write is about to push out.
func (s *Service) archiveBlob(j *job, name secret.Name, blob []byte, o RestoreOptions) (string, error) {
	dir := orDefault(o.Archive, s.archive)
	if dir == "" {
		return "", &secret.Error{Kind: secret.Unsupported, Name: name, Detail: "there is no archive to keep what the store cannot hold"}
	}
	path := dir.Path(j.Name, name, blob)
	if !o.DryRun {
		if err := dir.Keep(path, blob); err != nil {
			return path, &secret.Error{Kind: secret.Internal, Op: "archive", Name: name, Detail: "the archive cannot be written, and nothing else was", Err: err}
		}
	}
	j.entry.Archive = path
	return path, nil
}

// beyondTrim returns the losses that LossTrim does not take: whatever is not
// one of too many versions of part, holds a role or a stage in sec, or is not
// older than every version without one that stays.
func beyondTrim(b backends.Backend, sec, part *secret.Secret, losses []secret.Loss) []secret.Loss {
	var newest secret.Ordinal // of the free versions that go
	rest := slices.DeleteFunc(slices.Clone(losses), func(l secret.Loss) bool {
		v := sec.Find(secret.ByOrdinal(l.Version))
		if l.Version == 0 || v == nil || l.What != loss.Version || !history.Free(sec, v) || !heldAlone(b, sec, v) {
			return l.Grade <= secret.Trace
		}
		newest = max(newest, l.Version)
		return true
	})
	for i := range part.Versions {
		v := &part.Versions[i]
		goes := slices.ContainsFunc(losses, func(l secret.Loss) bool { return l.Version == v.Ordinal && l.What == loss.Version })
		if v.Ordinal < newest && history.Free(sec, v) && !goes {
			return losses // what goes is not the oldest
		}
	}
	return rest
}

// heldAlone reports whether the product would hold v if it were the only one:
// then it is their number that is too much.
func heldAlone(b backends.Backend, sec *secret.Secret, v *secret.Version) bool {
	alone := sec.Only(v.Ordinal)
	alone.Current, alone.Previous = v.Ordinal, 0
	return !slices.ContainsFunc(b.Forecast(alone), func(l secret.Loss) bool {
		return l.Version == v.Ordinal && (l.What == loss.Version || l.What == loss.Value)
	})
}

// refuseLosses returns nil if nothing is worse than a trace. Else the error
// names the version and the reason of each loss, gravest first, as far as a
// header line bears it.
func refuseLosses(name secret.Name, losses []secret.Loss) error {
	if secret.Worst(losses) <= secret.Trace {
		return nil
	}
	var said []string
	more := 0
	for _, g := range []secret.Grade{secret.Data, secret.Meaning} {
		for _, l := range losses {
			switch {
			case l.Grade != g:
			case len(said) < 5:
				said = append(said, l.Sentence())
			default:
				more++
			}
		}
	}
	lost := "attributes"
	if secret.Worst(losses) == secret.Data {
		lost = "data"
	}
	detail := "this would lose " + lost + ": " + strings.Join(said, "; ")
	if more > 0 {
		detail += fmt.Sprintf("; and %d more", more)
	}
	return &secret.Error{Kind: secret.Lossy, Name: name, Detail: detail}
}

func lossLines(losses []secret.Loss) []string {
	var lines []string
	for _, l := range losses {
		lines = append(lines, l.String())
	}
	return lines
}
