package azurekv

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// The vault shows nobody the value of a disabled version. With read_disabled a
// backup enables it, reads it and disables it again:
//
//   - One write enables the version and puts a mark into its tag: the version
//     is opened. The mark says that it is disabled in truth, and every gateway
//     goes by that. Another write disables it and puts the tags back. It is
//     made however the read went, even if the caller has gone.
//   - A gateway that dies in between leaves the version opened: native tools
//     can read it until the next write or backup of the secret through any
//     gateway, which first disables it. A mark may be another gateway's that is
//     at work, so it is let be for openedFor.
//   - Nothing is enabled that cannot be marked: with a full set of tags, or a
//     tag of ours that has no room.
//
// Danger: whoever enables such a version with native tools, and means it, in
// that time, has it disabled again; and tags that they change are put back.
//
// Native tools see that the version was updated, and a tag of ours where it had
// none at all.

var _ backends.HiddenReader = (*Backend)(nil)

const (
	// openedFor is much longer than a version is opened, and shorter than a
	// caller waits.
	openedFor = 15 * time.Second
	// disableTime is how long the write that disables may outlive the call.
	disableTime = 20 * time.Second
)

// ReadsHidden implements backends.HiddenReader.
func (b *Backend) ReadsHidden(why secret.Missing) bool {
	return b.readsDisabled && why == secret.Unreadable
}

// ExportHidden implements backends.HiddenReader. Versions are opened one after the
// other: the vault asks for that.
func (b *Backend) ExportHidden(ctx context.Context, name secret.Name, why secret.Missing) (s *secret.Secret, opened []secret.Ordinal, err error) {
	s, err = changing(ctx, b, name, func(wire string) (*secret.Secret, error) {
		h, err := b.export(ctx, name, wire)
		if err == nil && h.hasOpened() {
			if _, err = b.disableOpened(ctx, name, wire); err == nil {
				h, err = b.export(ctx, name, wire)
			}
		}
		if err != nil {
			return nil, err
		}
		for i := range h.Versions {
			v, e := &h.Versions[i], &h.entries[i]
			if v.Missing != why || !e.disabled || e.managed {
				continue
			}
			mark := e.marked(v, b.now(), b.room.most())
			if mark == nil {
				continue
			}
			text, sent, err := b.openAndRead(ctx, name, wire, e, mark)
			if sent {
				opened = append(opened, v.Ordinal)
			}
			if err != nil {
				return nil, err
			}
			v.Value, v.Missing = e.value([]byte(text)), ""
		}
		return h.Clone(), nil
	})
	return s, opened, err
}

// marked are the tags of version v while it is opened; nil: there is no room.
func (e *entry) marked(v *secret.Version, now time.Time, room int) map[string]*string {
	if e.tag == nil && hasMoved(e.tags) || len(e.tags) >= room {
		return nil
	}
	shown := *v
	shown.Missing = ""
	t := tagSidecar{Bare: true}.around(&secret.Secret{Versions: []secret.Version{shown}}, false)
	e.bare = new(*t)
	if e.tag != nil { // all that it says stays
		updated := t.Updated
		*t = *e.tag
		t.Updated, t.Touched.Time = updated, now.Truncate(time.Second)
	}
	t.Opened.Time = now.Truncate(time.Second)
	if !t.fits() {
		return nil
	}
	return wireTags(e.tags, t)
}

// unmarked are the tags that the version has once it is disabled again. No write
// takes all tags away and leaves the version without: an empty set would stay.
func (it *item) unmarked(now time.Time) map[string]*string {
	switch {
	case it.tag == nil && it.tags == nil:
		return wireTags(nil, it.bare)
	case it.tag == nil:
		return wireTags(it.tags, nil)
	}
	t := *it.tag
	t.Touched.Time = now.Truncate(time.Second)
	return wireTags(it.tags, &t)
}

// openAndRead reads the value of a disabled version. sent: it was enabled, or
// may have been.
func (b *Backend) openAndRead(ctx context.Context, name secret.Name, wire string, e *entry, mark map[string]*string) (text string, sent bool, err error) {
	_, err = b.client.update(ctx, name, wire, e.id, enabling(true, mark))
	if err != nil && !kit.Is(err, secret.Unknown) {
		return "", false, err
	}
	if err != nil {
		err = readOp("open", name).Error(secret.Unavailable, "nobody knows whether a disabled version was enabled", secret.Cause(err))
	} else {
		text, err = b.readOpened(ctx, name, wire, e.id)
	}
	if _, failed := b.disable(ctx, name, wire, &e.item); failed != nil {
		return "", true, failed
	}
	return text, true, err
}

// readOpened waits until the vault shows what was enabled.
func (b *Backend) readOpened(ctx context.Context, name secret.Name, wire, id string) (text string, err error) {
	err = await(ctx, func() (bool, error) {
		var err error
		_, text, err = b.client.getOpened(ctx, name, wire, id)
		if kit.Is(err, secret.Disabled) { // not yet, or no more
			return false, nil
		}
		return err == nil, err
	})
	if err != nil && (errors.Is(err, errNoTime) || ctx.Err() != nil) {
		err = readOp("open", name).Error(secret.Unavailable, "a disabled version was enabled, and still cannot be read", err)
	}
	return text, err
}

func enabling(enabled bool, tags map[string]*string) azsecrets.UpdateSecretPropertiesParameters {
	return azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: &enabled}, Tags: tags,
	}
}

// disable disables an opened version. A secret that has gone meanwhile takes
// its mark with it.
func (b *Backend) disable(ctx context.Context, name secret.Name, wire string, it *item) (item, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disableTime)
	defer cancel()
	var out item
	var last error
	err := await(ctx, func() (bool, error) {
		out, last = b.client.update(ctx, name, wire, it.id, enabling(false, it.unmarked(b.now())))
		if kit.Is(last, secret.Unavailable, secret.Throttled, secret.Unknown) {
			return false, nil
		}
		return last == nil, last
	})
	if err == nil {
		return out, nil
	}
	if b.log != nil {
		b.log.ErrorContext(ctx, "a version that was enabled to be read could not be disabled again: the next change or backup of the secret does it",
			"store", b.origin.store, "name", name, "version", it.id, "error", last)
	}
	return item{}, readOp("close", name).Error(secret.Unavailable, "a version that was enabled to be read could not be disabled again", secret.Cause(last))
}

// disableOpened loads the secret once no version is opened: it waits for
// another gateway that reads one, and disables what one left.
func (b *Backend) disableOpened(ctx context.Context, name secret.Name, wire string) (h *stored, err error) {
	err = await(ctx, func() (bool, error) {
		if h, err = b.load(ctx, name, wire, nothing); err != nil {
			return false, err
		}
		for i := range h.items {
			switch it := &h.items[i]; {
			case !it.isOpened():
			case b.now().Sub(it.opened).Abs() < openedFor:
				return false, nil
			default:
				if h.items[i], err = b.disable(ctx, name, wire, it); err != nil {
					return false, err
				}
			}
		}
		h = newStored(b.origin, name, h.items, h.newest)
		return true, nil
	})
	if errors.Is(err, errNoTime) {
		err = readOp("open", name).Error(secret.Unavailable, "another gateway is reading a disabled version of this secret", nil)
	}
	return h, err
}
