package huawei

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// updateSecretBody changes what it names; a null is as good as nothing, but
// for the subscriptions, where it means none.
type updateSecretBody struct {
	KMSKeyID           *string         `json:"kms_key_id"`
	Description        *string         `json:"description"`
	AutoRotation       bool            `json:"auto_rotation"`
	RotationPeriod     string          `json:"rotation_period"`
	RotationFuncURN    string          `json:"rotation_func_urn"`
	EventSubscriptions json.RawMessage `json:"event_subscriptions"`
}

func (b *updateSecretBody) check() error {
	switch {
	case b.AutoRotation || b.RotationPeriod != "" || b.RotationFuncURN != "":
		return noRotation()
	case b.Description != nil && checkDescription(*b.Description) != nil:
		return checkDescription(*b.Description)
	case b.KMSKeyID != nil:
		return checkKey(*b.KMSKeyID)
	}
	return nil
}

func (a *api) updateSecret(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var body updateSecretBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	extra, err := changeEvents(body.EventSubscriptions)
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Edit(r.Context(), r.write(), ref, func(have *secret.Secret) (*gateway.Change, error) {
		c := &gateway.Change{Of: anyVersion(have), Patch: secret.Patch{Description: body.Description, Extra: maps.Clone(extra)}}
		if key := body.KMSKeyID; key != nil && *key != "" {
			if c.Patch.Extra == nil {
				c.Patch.Extra = map[string]json.RawMessage{}
			}
			maps.Copy(c.Patch.Extra, changeKey(have, *key))
		}
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, sec)
}

// changeEvents reads event_subscriptions of an update. Nil: they stay.
func changeEvents(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	var names []string
	if !bytes.Equal(raw, []byte("null")) && json.Unmarshal(raw, &names) != nil {
		return nil, badFormat("event_subscriptions is not a list of names")
	}
	member, err := subscriptions(names)
	if err != nil {
		return nil, err
	}
	return map[string]json.RawMessage{extraEvents: member}, nil // nil: removed
}

// anyVersion is the version to go by in a change of the secret alone: the
// current one, or where none is, the newest.
func anyVersion(s *secret.Secret) secret.Selector {
	if s.Find(secret.Current) != nil || s.Newest() == nil {
		return secret.Current
	}
	return secret.ByOrdinal(s.Newest().Ordinal)
}

// deleteSecret is final, for a secret whose deletion is scheduled as well.
func (a *api) deleteSecret(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	return nil, a.svc.Destroy(r.Context(), r.write(), ref)
}

// The days within which a scheduled deletion can be cancelled.
const (
	minWindow = 7
	maxWindow = 30
)

type scheduleBody struct {
	Days *int `json:"recovery_window_in_days"`
}

func (a *api) scheduleDeletion(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var body scheduleBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if body.Days == nil || *body.Days < minWindow || *body.Days > maxWindow {
		return nil, secret.Errorf(secret.Invalid, "recovery_window_in_days is not between %d and %d", minWindow, maxWindow)
	}
	sec, err := a.svc.Schedule(r.Context(), r.write(), ref, *body.Days)
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, sec)
}

func (a *api) cancelDeletion(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.Recover(r.Context(), r.write(), ref)
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, sec)
}
