package control

import (
	"context"
	"reflect"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

var listTrashOperation = operation[listArgs, wirePage]{
	name: "list-trash",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q listArgs) (wirePage, error) {
		page, err := s.ListTrash(ctx, c, q.Store, q.query())
		return pageToWire(page), err
	},
}

var rehearseOperation = operation[rehearseArgs, *wireSecret]{
	name: "rehearse",
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q rehearseArgs) (*wireSecret, error) {
		sec, err := s.Rehearse(ctx, c, q.Action, q.ref())
		return secretToWire(sec), err
	},
}

var putOperation = operation[putArgs, *wireSecret]{
	name: "put", changes: true,
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q putArgs) (*wireSecret, error) {
		sec, err := s.Put(ctx, c, q.ref(), q.draft())
		return writtenToWire(sec), err
	},
}

var deleteOperation = operation[refArgs, *wireSecret]{
	name: "delete", changes: true,
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q refArgs) (*wireSecret, error) {
		sec, err := s.Delete(ctx, c, q.ref())
		return writtenToWire(sec), err
	},
}

var recoverOperation = operation[refArgs, *wireSecret]{
	name: "recover", changes: true,
	do: func(ctx context.Context, s *gateway.Service, c gateway.Call, q refArgs) (*wireSecret, error) {
		sec, err := s.Recover(ctx, c, q.ref())
		return writtenToWire(sec), err
	},
}

// writtenToWire carries no value back to whoever gave it.
func writtenToWire(s *secret.Secret) *wireSecret {
	if s == nil {
		return nil
	}
	return secretToWire(s.WithoutValues())
}

type (
	rehearseArgs struct {
		refArgs
		Action access.Action `json:"action"`
	}
	// putArgs is what a person says of a new version.
	putArgs struct {
		refArgs
		Value        *wireValue        `json:"value"`
		ContentType  string            `json:"content_type,omitempty"`
		Tags         map[string]string `json:"tags,omitzero"`
		Disabled     bool              `json:"disabled,omitempty"`
		NotBefore    time.Time         `json:"not_before,omitzero"`
		Expires      time.Time         `json:"expires,omitzero"`
		Stages       []string          `json:"stages,omitempty"`
		OnlyIfAbsent bool              `json:"only_if_absent,omitempty"`
	}
)

// draftToArgs refuses (Unsupported) a draft that holds more than crosses.
func draftToArgs(r gateway.Ref, d secret.Draft) (putArgs, error) {
	q := putArgs{
		refArgs: refToArgs(r), Value: valueToWire(d.Value), ContentType: d.ContentType, Tags: d.Tags, Disabled: d.Disabled,
		NotBefore: d.NotBefore, Expires: d.Expires, Stages: d.Stages, OnlyIfAbsent: d.OnlyIfAbsent,
	}
	d.Value = secret.Value{}
	carried := q.draft()
	carried.Value = secret.Value{}
	if !reflect.DeepEqual(d, carried) {
		return q, secret.Errorf(secret.Unsupported, "a running gateway cannot be asked for such a version")
	}
	return q, nil
}

func (q putArgs) draft() secret.Draft {
	return secret.Draft{
		Value: q.Value.value(), ContentType: q.ContentType, Tags: q.Tags, Disabled: q.Disabled,
		NotBefore: q.NotBefore, Expires: q.Expires, Stages: q.Stages, OnlyIfAbsent: q.OnlyIfAbsent,
	}
}
