package migrate

import (
	"context"
	"errors"
	"maps"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Rehearsal does what a plan says in an imitation of the target, which forgets each
// secret before a worker begins another, and writes to neither store. It keeps no
// journal, and nothing in an archive.
type Rehearsal struct {
	// From and Rules are those of the run. To is read, and not written to, where the
	// plan adds to what stands there; nil: what it would add to is not rehearsed.
	From  Side
	To    *Side
	Rules Rules
	Key   inventory.Key
	// Stage is the imitation. Standing is the same one, without its limits.
	Stage, Standing Side
	// Forget takes a secret out of the imitation.
	Forget func(context.Context, secret.Name) error
	// Workers is how many secrets are in the imitation at once.
	Workers int
}

// Rehearsed is what would have become of one secret.
type Rehearsed struct {
	Result
	// Verdict compares the source with what stands in the imitation then; nil:
	// nothing was written.
	Verdict *Verdict
}

// Do calls tell with what would have become of each secret that the plan writes, in
// the plan's order.
func (r *Rehearsal) Do(ctx context.Context, entries func(func(*Entry) error) error, tell func(*Rehearsed) error) error {
	each := func(_ context.Context, do func(*Entry) error) error {
		return entries(func(e *Entry) error {
			if e.Action == "" {
				return nil
			}
			return do(e)
		})
	}
	return inorder.Do(ctx, r.Workers, each, r.one, tell)
}

func (r *Rehearsal) one(ctx context.Context, e *Entry) (out *Rehearsed, err error) {
	defer func() { err = errors.Join(err, r.Forget(context.WithoutCancel(ctx), e.To)) }()
	staged := e
	if e.Action == DoAppend {
		staged, err = r.stand(ctx, e)
		var old *staleError
		switch {
		case err == nil:
		case errors.As(err, &old):
			return &Rehearsed{Result: Result{Entry: e, Step: Skipped, Err: err}}, nil
		case ctx.Err() != nil || endsRun(err):
			return nil, err
		default:
			return &Rehearsed{Result: Result{Entry: e, Step: Failed, Err: err}}, nil
		}
	}
	out = &Rehearsed{}
	run := &Run{From: r.From, To: r.Stage, Rules: r.Rules, Key: r.Key, Finish: DefaultFinish, Tell: func(res Result) error {
		out.Result = res
		return nil
	}}
	if err := run.one(ctx, staged); err != nil {
		return nil, err
	}
	if out.Entry = e; out.Err != nil || out.Source == nil {
		return out, nil
	}
	have, err := r.Stage.Digest(ctx, r.Key, e.To, gateway.DigestOptions{Of: e.Name})
	if err != nil {
		return nil, err
	}
	out.Verdict = e.Judge(out.Source, have)
	return out, nil
}

// stand puts what stands at the target into the imitation, and returns the entry
// with the state that this has there.
func (r *Rehearsal) stand(ctx context.Context, e *Entry) (*Entry, error) {
	if r.To == nil {
		return nil, secret.Errorf(secret.Unsupported, "it adds to what stands at the target, which is not read")
	}
	packed, err := r.To.pack(ctx, r.Key, e.To, gateway.PackOptions{
		BackupOptions: gateway.BackupOptions{OnLoss: gateway.LossAccept, Untouched: true}, Of: e.Name,
	})
	switch {
	case errors.Is(err, secret.NotFound), errors.Is(err, secret.Trashed):
		return nil, stale(targetChanged)
	case err != nil:
		return nil, secret.Errorf(secret.KindOf(err), "what stands at the target could not be read: %s", message(err))
	case r.Key.StateOf(packed.Entry) != e.Target:
		return nil, stale(targetChanged)
	}
	if _, err := r.Standing.restore(ctx, packed.Blob, gateway.RestoreOptions{As: e.To, OnLoss: gateway.LossAccept}); err != nil {
		return nil, err
	}
	have, err := r.Stage.Digest(ctx, r.Key, e.To, gateway.DigestOptions{Of: e.Name})
	if err != nil {
		return nil, err
	}
	staged := *e
	staged.Target = r.Key.StateOf(have)
	return &staged, nil
}

// unarchived takes what would be archived, and archives nothing.
func unarchived(o gateway.RestoreOptions) gateway.RestoreOptions {
	if o.OnLoss == gateway.LossArchive {
		o.OnLoss = gateway.LossAccept
	}
	o.OnLossOf = maps.Clone(o.OnLossOf)
	for word, choice := range o.OnLossOf {
		if choice == gateway.LossArchive {
			o.OnLossOf[word] = gateway.LossAccept
		}
	}
	return o
}
