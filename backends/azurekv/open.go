package azurekv

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// The vault shows nobody the value of a disabled version. With read_disabled a
// backup enables it, reads it and disables it again:
//
//   - One write enables the version and puts a mark into its tag. The mark says
//     that it is disabled in truth, and every gateway goes by that. Another
//     write disables it and puts the tags back. It is made however the read
//     went, even if the caller has gone.
//   - A gateway that dies in between leaves an enabled version with its mark:
//     native tools can read it until the next write or backup of the secret
//     through any gateway, which first disables it. A mark may be another
//     gateway's that is at work, so it is let be for openFor.
//   - Nothing is enabled that cannot be marked: with a full set of tags, or a
//     tag of ours that has no room.
//
// Danger: whoever enables such a version with native tools, and means it, in
// that time, has it disabled again; and tags that they change are put back.
//
// Native tools see that the version was updated, and that it has an empty set
// of tags where it had none.

var _ backends.DisabledReader = (*Backend)(nil)

const (
	// openFor is much longer than a version is open, and shorter than a caller
	// waits.
	openFor = 15 * time.Second
	// closeTime is how long closing may outlive the call.
	closeTime = 20 * time.Second
)

// ReadsDisabled implements backends.DisabledReader.
func (b *Backend) ReadsDisabled() bool { return b.opens }

// ExportDisabled implements backends.DisabledReader. Versions are opened one after the
// other: the vault asks for that.
func (b *Backend) ExportDisabled(ctx context.Context, name secret.Name) (s *secret.Secret, opened []secret.Ordinal, err error) {
	err = b.changing(ctx, name, func(wire string) error {
		h, err := b.export(ctx, name, wire)
		if err == nil && slices.ContainsFunc(h.entries, func(e entry) bool { return e.isOpened() }) {
			if _, err = b.closed(ctx, name, wire); err == nil {
				h, err = b.export(ctx, name, wire)
			}
		}
		if err != nil {
			return err
		}
		for i := range h.Versions {
			v, e := &h.Versions[i], &h.entries[i]
			if v.Missing != secret.Unreadable || !e.disabled || e.managed {
				continue
			}
			mark := e.marked(b.now())
			if mark == nil {
				continue
			}
			text, sent, err := b.open(ctx, name, wire, e, mark)
			if sent {
				opened = append(opened, v.Ordinal)
			}
			if err != nil {
				return err
			}
			v.Value, v.Missing = e.value([]byte(text)), ""
		}
		s = h.Clone()
		return nil
	})
	return s, opened, err
}

func (it *item) isOpened() bool { return !it.opened.IsZero() }

// marked are the version's tags while it is open; nil: there is no room.
func (e *entry) marked(now time.Time) map[string]*string {
	if _, taken := e.tags[reservedTag]; taken || len(e.tags) >= maxTags {
		return nil
	}
	t := (&edit{entry: e, v: e.version()}).base()
	if e.tag != nil { // all that it says stays
		updated := t.Updated
		t = *e.tag
		t.Updated, t.Touched.Time = updated, now.Truncate(time.Second)
	}
	t.Bare, t.EmptyTags = e.tag == nil, e.tags != nil && len(e.tags) == 0
	t.Opened.Time = now.Truncate(time.Second)
	if !t.fits() {
		return nil
	}
	return e.withTag(&t)
}

// unmarked are the tags that the version has when it is closed.
func (it *item) unmarked(now time.Time) map[string]*string {
	if it.tag == nil {
		return it.withTag(nil)
	}
	t := *it.tag
	t.Touched.Time = now.Truncate(time.Second)
	return it.withTag(&t)
}

func (it *item) withTag(t *reserved) map[string]*string {
	tags := make(map[string]*string, len(it.tags)+1)
	for k, v := range maps.All(it.tags) {
		tags[k] = new(v)
	}
	if t == nil {
		return tags
	}
	text, _ := t.encode() // fits has seen it
	tags[reservedTag] = &text
	return tags
}

// open reads the value of a disabled version. sent: it was enabled, or may have
// been.
func (b *Backend) open(ctx context.Context, name secret.Name, wire string, e *entry, mark map[string]*string) (text string, sent bool, err error) {
	_, err = b.client.update(ctx, name, wire, e.id, enabling(true, mark))
	if err != nil && !kit.Is(err, secret.Unknown) {
		return "", false, err
	}
	if err != nil {
		err = &secret.Error{Kind: secret.Unavailable, Op: "azurekv.open", Name: name, Detail: "nobody knows whether a disabled version was enabled", Err: secret.Cause(err)}
	} else {
		text, err = b.readOpen(ctx, name, wire, e.id)
	}
	if _, closeErr := b.close(ctx, name, wire, &e.item); closeErr != nil {
		return "", true, closeErr
	}
	return text, true, err
}

// readOpen waits until the vault shows what was enabled.
func (b *Backend) readOpen(ctx context.Context, name secret.Name, wire, id string) (text string, err error) {
	err = await(ctx, func() (bool, error) {
		var err error
		_, text, err = b.client.getOpened(ctx, name, wire, id)
		if kit.Is(err, secret.Disabled) { // not yet, or no more
			return false, nil
		}
		return err == nil, err
	})
	if err != nil && (errors.Is(err, errNoTime) || ctx.Err() != nil) {
		err = &secret.Error{Kind: secret.Unavailable, Op: "azurekv.open", Name: name, Detail: "a disabled version was enabled, and still cannot be read", Err: err}
	}
	return text, err
}

func enabling(enabled bool, tags map[string]*string) azsecrets.UpdateSecretPropertiesParameters {
	return azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: &enabled}, Tags: tags,
	}
}

// close disables a version that was opened. A secret that has gone meanwhile
// takes its mark with it.
func (b *Backend) close(ctx context.Context, name secret.Name, wire string, it *item) (item, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
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
			"store", b.place.store, "name", name, "version", it.id, "error", last)
	}
	return item{}, &secret.Error{
		Kind: secret.Unavailable, Op: "azurekv.close", Name: name, Err: secret.Cause(last),
		Detail: "a version that was enabled to be read could not be disabled again",
	}
}

// closed lists the versions once none of them is open: it waits for another
// gateway that reads one, and disables what one left.
func (b *Backend) closed(ctx context.Context, name secret.Name, wire string) ([]item, error) {
	var items []item
	err := await(ctx, func() (bool, error) {
		var err error
		if items, err = b.client.versions(ctx, name, wire, nothing); err != nil {
			return false, err
		}
		for i := range items {
			switch it := &items[i]; {
			case !it.isOpened():
			case b.now().Sub(it.opened).Abs() < openFor:
				return false, nil
			default:
				if items[i], err = b.close(ctx, name, wire, it); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
	if errors.Is(err, errNoTime) {
		return nil, &secret.Error{Kind: secret.Unavailable, Op: "azurekv.open", Name: name, Detail: "another gateway is reading a disabled version of this secret"}
	}
	return items, err
}
