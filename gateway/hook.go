package gateway

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Do runs f as every operation is run: authorised for the action, audited,
// bounded in time and number, and retried. It is for the parts of the gateway
// that stand around this package; no others can name a hook.Job.
func Do[T any](ctx context.Context, s *Service, c Call, a access.Action, r Ref, f func(context.Context, hook.Job) (T, error)) (T, error) {
	return run(ctx, s, c, a, r, func(ctx context.Context, j *job) (T, error) { return f(ctx, hookedJob{s, j}) })
}

// beforeWrite asks the observer about a put or an update.
func (s *Service) beforeWrite(ctx context.Context, j *job, i hook.Intent) error {
	if s.writes == nil {
		return nil
	}
	return s.writes.Before(ctx, hookedJob{s, j}, i)
}

// beforeRestore asks the observer what of a secret means nothing in the store.
func (s *Service) beforeRestore(ctx context.Context, j *job, sec *secret.Secret) ([]secret.Loss, error) {
	if s.writes == nil {
		return nil, nil
	}
	return s.writes.Restoring(ctx, hookedJob{s, j}, sec.WithoutValues())
}

// afterWrite tells the observer of a write that is done.
func (s *Service) afterWrite(ctx context.Context, j *job, op hook.Op, sec *secret.Secret) {
	if s.writes == nil || sec == nil {
		return
	}
	shown := *sec
	shown.Versions = slices.Clone(sec.Versions)
	for i := range shown.Versions {
		shown.Versions[i].Value = secret.Value{}
	}
	s.writes.After(ctx, hookedJob{s, j}, op, &shown)
}

// hookedJob is a job as the parts around this package see it.
type hookedJob struct {
	s *Service
	j *job
}

func (h hookedJob) Store() string                 { return h.j.Name }
func (h hookedJob) ReadOnly() bool                { return h.j.ReadOnly }
func (h hookedJob) Now() time.Time                { return h.s.now() }
func (h hookedJob) Allowed(name secret.Name) bool { return h.j.allowed(name) }
func (h hookedJob) Repeats() bool                 { return h.s.unknown.repeatedBy(h.j) }
func (h hookedJob) Remember(err error)            { h.s.unknown.remember(h.j, secret.UID{}, err) }

func (h hookedJob) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return h.j.Backend.List(ctx, q)
}

func (h hookedJob) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return h.j.Backend.Describe(ctx, name)
}

func (h hookedJob) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if h.j.stateStore == nil {
		return nil, "", h.noState()
	}
	return h.j.stateStore.ReadState(ctx, key)
}

func (h hookedJob) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	switch {
	case h.j.stateStore == nil:
		return h.noState()
	case h.j.ReadOnly:
		return secret.Errorf(secret.Denied, ReadOnly)
	}
	return h.j.stateStore.WriteState(ctx, key, text, revision)
}

func (h hookedJob) noState() error {
	return secret.Errorf(secret.Unsupported, "a store of kind %s keeps no state of the gateway, and so no events", h.j.Kind)
}

func (h hookedJob) Warn(ctx context.Context, msg string, name secret.Name, err error) {
	h.s.log.WarnContext(ctx, msg, slog.String("op", h.j.call.Op), slog.String("store", h.j.Name),
		slog.String("name", string(name)), slog.String("request_id", h.j.call.RequestID), slog.Any("error", err))
}
