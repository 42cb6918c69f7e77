package control

import (
	"context"
	"io"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// operation is one row of the protocol: its name, what is asked (Q), what is
// answered (A), and the function of the Service.
type operation[Q, A any] struct {
	name string
	// changes: where the gateway ends before it answers, nobody knows what was
	// done.
	changes bool
	do      func(context.Context, *gateway.Service, gateway.Call, Q) (A, error)
}

// stream is an operation that answers with bytes.
type stream[Q any] struct {
	name string
	do   func(context.Context, *gateway.Service, gateway.Call, Q, io.Writer) error
}

// operations is the table of the protocol. status, overview and reload belong to
// the server.
func operations(status func() Status, o *Options) []endpoint {
	return []endpoint{
		statusOperation(status), overviewOperation(o.Overview), reloadOperation(o.Reload), checkOperation,
		listOperation, listTrashOperation, describeOperation, getOperation,
		digestOperation, rehearseOperation, putOperation, deleteOperation, recoverOperation,
		backupOperation, packOperation, rehearseBackupOperation, sealForOperation, restoreOperation, sweepOperation,
		verifyOperation, snapshotOperation,
		auditRotateOperation, auditCheckpointOperation,
	}
}

func statusOperation(status func() Status) operation[noArgs, Status] {
	return operation[noArgs, Status]{
		name: "status",
		do:   func(context.Context, *gateway.Service, gateway.Call, noArgs) (Status, error) { return status(), nil },
	}
}

func reloadOperation(reload func(gateway.Call) (Reloaded, error)) operation[noArgs, Reloaded] {
	return operation[noArgs, Reloaded]{
		name: "reload", changes: true,
		do: func(_ context.Context, _ *gateway.Service, c gateway.Call, _ noArgs) (Reloaded, error) {
			if reload == nil {
				return Reloaded{}, secret.Errorf(secret.Unsupported, "this gateway has no configuration to read again")
			}
			return reload(c)
		},
	}
}

var checkOperation = operation[storeArgs, nothing]{
	name: "check",
	do: func(ctx context.Context, s *gateway.Service, _ gateway.Call, q storeArgs) (nothing, error) {
		return nothing{}, s.Check(ctx, q.Store)
	},
}

var listOperation = operation[listArgs, wirePage]{
	name: "list",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q listArgs) (wirePage, error) {
		page, err := s.List(ctx, c, q.Store, q.query())
		return pageToWire(page), err
	},
}

var describeOperation = operation[refArgs, *wireSecret]{
	name: "describe",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q refArgs) (*wireSecret, error) {
		sec, err := s.Describe(ctx, c, q.ref())
		return secretToWire(sec), err
	},
}

var getOperation = operation[getArgs, *wireSecret]{
	name: "get",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q getArgs) (*wireSecret, error) {
		sec, err := s.Get(ctx, c, q.ref(), q.selector())
		return secretToWire(sec), err
	},
}

var digestOperation = operation[digestArgs, *inventory.Entry]{
	name: "digest",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q digestArgs) (*inventory.Entry, error) {
		k, err := inventory.KeyFrom(q.RunKey)
		if err != nil {
			return nil, err
		}
		return s.Digest(ctx, c, q.ref(), k, gateway.DigestOptions{Of: q.Of, NoValues: q.NoValues, Tags: q.Tags})
	},
}

var backupOperation = operation[backupArgs, blobAnswer]{
	name: "backup",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q backupArgs) (blobAnswer, error) {
		blob, losses, err := s.BackupWith(ctx, c, q.ref(), q.options())
		return blobAnswer{blob, lossesToWire(losses)}, err
	},
}

var packOperation = operation[packArgs, *packAnswer]{
	name: "pack",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q packArgs) (*packAnswer, error) {
		k, err := inventory.KeyFrom(q.RunKey)
		if err != nil {
			return nil, err
		}
		p, err := s.Pack(ctx, c, q.ref(), k, gateway.PackOptions{BackupOptions: q.options(), Foretell: q.Foretell, Of: q.Of})
		if p == nil {
			return nil, err
		}
		return &packAnswer{p.Blob, p.Entry, lossesToWire(p.Losses), p.Refused}, err
	},
}

var rehearseBackupOperation = operation[backupArgs, lossesAnswer]{
	name: "rehearse-backup",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q backupArgs) (lossesAnswer, error) {
		losses, err := s.RehearseBackup(ctx, c, q.ref(), q.options())
		return lossesAnswer{lossesToWire(losses)}, err
	},
}

var sealForOperation = operation[sealForArgs, *sealedAnswer]{
	name: "seal-for",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q sealForArgs) (*sealedAnswer, error) {
		out, err := s.SealFor(ctx, c, q.ref(), gateway.SealOptions{Key: q.Key, Known: q.Known, OnLoss: q.OnLoss})
		return sealedToWire(out), err
	},
}

var restoreOperation = operation[restoreArgs, *wireOutcome]{
	name: "restore", changes: true,
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q restoreArgs) (*wireOutcome, error) {
		out, err := s.Restore(ctx, c, q.Store, q.Blob, q.options())
		return outcomeToWire(out), err
	},
}

var sweepOperation = operation[sweepArgs, sweepAnswer]{
	name: "sweep", changes: true,
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q sweepArgs) (sweepAnswer, error) {
		swept, err := s.Sweep(ctx, c, q.Store, q.DryRun)
		return sweepAnswer{swept.Names, leftOutToWire(swept.LeftOut)}, err
	},
}

var verifyOperation = operation[storeArgs, *backends.Findings]{
	name: "verify",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q storeArgs) (*backends.Findings, error) {
		return s.Verify(ctx, c, q.Store)
	},
}

var snapshotOperation = stream[storeArgs]{
	name: "snapshot",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q storeArgs, w io.Writer) error {
		return s.Snapshot(ctx, c, q.Store, w)
	},
}

var auditRotateOperation = operation[noArgs, textAnswer]{
	name: "audit-rotate", changes: true,
	do: func(_ context.Context, s *gateway.Service, c gateway.Call, _ noArgs) (textAnswer, error) {
		file, err := s.RotateAudit(c)
		return textAnswer{file}, err
	},
}

var auditCheckpointOperation = operation[noArgs, textAnswer]{
	name: "audit-checkpoint", changes: true,
	do: func(_ context.Context, s *gateway.Service, c gateway.Call, _ noArgs) (textAnswer, error) {
		text, err := s.CheckpointAudit(c)
		return textAnswer{text}, err
	},
}

type (
	textAnswer struct {
		Text string `json:"text"`
	}

	noArgs  struct{}
	nothing struct{}

	storeArgs struct {
		Store string `json:"store"`
	}
	refArgs struct {
		Store  string      `json:"store"`
		Name   secret.Name `json:"name"`
		Folder secret.Name `json:"folder,omitempty"`
	}
	backupArgs struct {
		refArgs
		OnLoss      gateway.OnLoss            `json:"on_loss,omitempty"`
		OnLossOf    map[string]gateway.OnLoss `json:"on_loss_of,omitempty"`
		ReadDeleted bool                      `json:"read_deleted,omitempty"`
		Untouched   bool                      `json:"untouched,omitempty"`
	}
	packArgs struct {
		backupArgs
		RunKey   []byte      `json:"run_key"`
		Foretell bool        `json:"foretell,omitempty"`
		Of       secret.Name `json:"of,omitempty"`
	}
	digestArgs struct {
		refArgs
		RunKey   []byte            `json:"run_key"`
		Of       secret.Name       `json:"of,omitempty"`
		NoValues bool              `json:"no_values,omitempty"`
		Tags     map[string]string `json:"tags,omitempty"`
	}
	getArgs struct {
		refArgs
		Ordinal secret.Ordinal `json:"version,omitempty"`
		UID     string         `json:"uid,omitempty"`
	}
	listArgs struct {
		Store     string      `json:"store"`
		After     secret.Name `json:"after,omitempty"`
		Limit     int         `json:"limit,omitempty"`
		WithTrash bool        `json:"with_trash,omitempty"`
		Under     secret.Name `json:"under,omitempty"`
		Alone     bool        `json:"names_alone,omitempty"`
	}
	sweepArgs struct {
		Store  string `json:"store"`
		DryRun bool   `json:"dry_run,omitempty"`
	}
	sweepAnswer struct {
		Names   []secret.Name `json:"names"`
		LeftOut []wireLeftOut `json:"left_out,omitempty"`
	}
	blobAnswer struct {
		Blob   []byte     `json:"blob"`
		Losses []wireLoss `json:"losses,omitempty"`
	}
	packAnswer struct {
		Blob    []byte           `json:"blob"`
		Entry   *inventory.Entry `json:"entry"`
		Losses  []wireLoss       `json:"losses,omitempty"`
		Refused string           `json:"refused,omitempty"`
	}
	lossesAnswer struct {
		Losses []wireLoss `json:"losses,omitempty"`
	}
)

func refToArgs(r gateway.Ref) refArgs { return refArgs{r.Store, r.Name, r.Folder} }

func (q refArgs) ref() gateway.Ref {
	return gateway.Ref{Store: q.Store, Name: q.Name, Folder: q.Folder}
}

func (q backupArgs) options() gateway.BackupOptions {
	return gateway.BackupOptions{OnLoss: q.OnLoss, OnLossOf: q.OnLossOf, ReadDeleted: q.ReadDeleted, Untouched: q.Untouched}
}

func backupToArgs(r gateway.Ref, o gateway.BackupOptions) backupArgs {
	return backupArgs{refToArgs(r), o.OnLoss, o.OnLossOf, o.ReadDeleted, o.Untouched}
}

func selectorToArgs(r gateway.Ref, sel secret.Selector) getArgs {
	q := getArgs{refArgs: refToArgs(r), Ordinal: sel.Ordinal}
	if !sel.UID.IsZero() {
		q.UID = sel.UID.String()
	}
	return q
}

// selector: a UID that is none selects what no version is.
func (q getArgs) selector() secret.Selector {
	sel := secret.ByOrdinal(q.Ordinal)
	if q.UID == "" {
		return sel
	}
	uid, ok := secret.ParseUID(q.UID)
	if !ok {
		return secret.ByOrdinal(-1)
	}
	sel.UID = uid
	return sel
}

func queryToArgs(store string, q secret.Query) listArgs {
	return listArgs{store, q.After, q.Limit, q.WithTrash, q.Under, q.NamesAlone}
}

func (q listArgs) query() secret.Query {
	return secret.Query{After: q.After, Limit: q.Limit, WithTrash: q.WithTrash, Under: q.Under, NamesAlone: q.Alone}
}
