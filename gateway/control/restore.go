package control

import (
	"path/filepath"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

type restoreArgs struct {
	Store      string                    `json:"store"`
	Blob       []byte                    `json:"blob"`
	As         secret.Name               `json:"as,omitempty"`
	Folder     secret.Name               `json:"folder,omitempty"`
	OnConflict gateway.OnConflict        `json:"on_conflict,omitempty"`
	OnLoss     gateway.OnLoss            `json:"on_loss,omitempty"`
	OnLossOf   map[string]gateway.OnLoss `json:"on_loss_of,omitempty"`
	Archive    string                    `json:"archive,omitempty"` // absolute: the gateway has a working folder of its own
	DryRun     bool                      `json:"dry_run,omitempty"`
	Append     []secret.Ordinal          `json:"append,omitzero"`
	Foretell   bool                      `json:"foretell,omitempty"`
	Token      string                    `json:"token,omitempty"`
	KeepTrash  bool                      `json:"keep_trash,omitempty"`
	LookBack   bool                      `json:"look_back,omitempty"`

	RepositoryKey     string `json:"repository_key,omitempty"` // wrapped
	RepositoryVoucher string `json:"repository_voucher,omitempty"`
}

func restoreToArgs(store string, blob []byte, o gateway.RestoreOptions) (restoreArgs, error) {
	q := restoreArgs{
		Store: store, Blob: blob, As: o.As, Folder: o.Folder, OnConflict: o.OnConflict, OnLoss: o.OnLoss,
		OnLossOf: o.OnLossOf, Archive: string(o.Archive), DryRun: o.DryRun, Foretell: o.Foretell, Token: o.Token, KeepTrash: o.KeepTrash, LookBack: o.LookBack, Append: o.Append,
		RepositoryKey: o.RepositoryKey, RepositoryVoucher: o.RepositoryVoucher,
	}
	if o.CheckName != nil {
		return q, secret.Errorf(secret.Unsupported, "a running gateway cannot ask back whether a name is right")
	}
	if q.Archive == "" {
		return q, nil
	}
	var err error
	q.Archive, err = filepath.Abs(q.Archive)
	return q, err
}

func (q restoreArgs) options() gateway.RestoreOptions {
	return gateway.RestoreOptions{
		As: q.As, Folder: q.Folder, OnConflict: q.OnConflict, OnLoss: q.OnLoss,
		OnLossOf: q.OnLossOf, Archive: archive.Dir(q.Archive), DryRun: q.DryRun, Foretell: q.Foretell, Token: q.Token, KeepTrash: q.KeepTrash, LookBack: q.LookBack, Append: q.Append,
		RepositoryKey: q.RepositoryKey, RepositoryVoucher: q.RepositoryVoucher,
	}
}

type wireOutcome struct {
	Origin   wireOrigin                        `json:"origin"`
	Secret   *wireSecret                       `json:"secret"`
	Versions map[secret.Ordinal]secret.Ordinal `json:"versions,omitzero"`
	Losses   []wireLoss                        `json:"losses,omitempty"`
	Refused  string                            `json:"refused,omitempty"`
	Archive  string                            `json:"archive,omitempty"`
	Skipped  bool                              `json:"skipped,omitempty"`
	Appended bool                              `json:"appended,omitempty"`
	Added    int                               `json:"added,omitempty"`
}

type wireOrigin struct {
	Gateway string      `json:"gateway,omitempty"`
	Store   string      `json:"store,omitempty"`
	Name    secret.Name `json:"name,omitempty"`
}

type wireLoss struct {
	Grade   secret.Grade   `json:"grade"`
	Version secret.Ordinal `json:"version,omitempty"`
	What    string         `json:"what"`
	Why     string         `json:"why"`
}

func outcomeToWire(o *gateway.Outcome) *wireOutcome {
	if o == nil {
		return nil
	}
	w := &wireOutcome{
		Origin: wireOrigin{o.Origin.Gateway, o.Origin.Store, o.Origin.Name},
		Secret: secretToWire(o.Secret), Versions: o.Versions, Refused: o.Refused, Archive: o.Archive,
		Skipped: o.Skipped, Appended: o.Appended, Added: o.Added,
	}
	w.Losses = lossesToWire(o.Losses)
	return w
}

func lossesToWire(losses []secret.Loss) []wireLoss {
	var w []wireLoss
	for _, l := range losses {
		w = append(w, wireLoss(l))
	}
	return w
}

func lossesFromWire(w []wireLoss) []secret.Loss {
	var losses []secret.Loss
	for _, l := range w {
		losses = append(losses, secret.Loss(l))
	}
	return losses
}

func (w *wireOutcome) outcome() *gateway.Outcome {
	if w == nil {
		return nil
	}
	o := &gateway.Outcome{
		Origin: backup.Origin{Gateway: w.Origin.Gateway, Store: w.Origin.Store, Name: w.Origin.Name},
		Secret: w.Secret.secret(), Versions: w.Versions, Refused: w.Refused, Archive: w.Archive,
		Skipped: w.Skipped, Appended: w.Appended, Added: w.Added,
	}
	o.Losses = lossesFromWire(w.Losses)
	return o
}
