package azurekv

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// versionBody is a version as the product is to hold it.
type versionBody struct {
	secret.Version                   // less what is lost
	tag            *tagSidecar       // nil: it goes without
	shared         map[string]string // the tags that go in place of its own, where the tag says so
}

// nativeTags are those that the product is to show, less ours.
func (b *versionBody) nativeTags() map[string]string {
	if b.tag != nil && b.tag.Shared {
		return b.shared
	}
	return b.Tags
}

// sharesTags reports whether the tags of the secret go into the product's place
// for those of its version: that is without, and they fit there. An empty set
// needs no place.
func sharesTags(s *secret.Secret, room int) bool {
	return len(s.Tags) > 0 && s.Versions[0].Tags == nil && tagsProblem(s.Tags, room-1, room) == ""
}

// roomFor lists what gets room in the tag, the first first.
var roomFor = []sidecar.Kind{
	{What: loss.ExpiresFraction},
	{What: loss.NotBeforeFraction},
	{What: loss.Stages},
	{What: loss.Extra},
	{What: loss.Description, OfSecret: true},
	{What: loss.Tags, OfSecret: true},
	{What: loss.Extra, OfSecret: true},
}

const (
	noRoom = "its only place in Key Vault is a tag of 256 characters, and that is full"
	// noRoomBeside is of the secret's tags. They have the product's own place
	// only where the newest version is without.
	noRoomBeside = "beside the newest version's own tags their only place in Key Vault is a tag of 256 characters, and that is full"
)

// layOut returns the body of a version with a tag, and what there is no room
// for. room is how many tags the vault takes. frame is what v does not say of the tag. of is what the tag is to say of
// the secret; nil: what the frame says of it stays.
func layOut(wire string, v *secret.Version, of *secret.Secret, frame tagSidecar, room int) (*versionBody, []secret.Loss) {
	one := new(secret.Secret)
	if of != nil {
		*one = *of
	}
	one.Versions = []secret.Version{*v}
	losses := overLimits(v, room-1, room)
	one = loss.Apply(one, losses)
	if spelling(wire, one.Extra) != wire { // the product keeps it
		delete(one.Extra, extraName)
	}
	one.Versions[0].Missing = "" // the product says it
	delete(one.Versions[0].Extra, extraManaged)
	if of != nil {
		frame.Shared = sharesTags(one, room)
	}
	one, more := sidecar.Fit(one, roomFor, noRoom, func(s *secret.Secret) bool { return frame.around(s, of != nil).fits() })
	frame.Shared = frame.Shared && (of == nil || one.Tags != nil)
	for i := range more {
		if l := &more[i]; l.Version == 0 && l.What == loss.Tags && v.Tags != nil {
			l.Why = noRoomBeside
		}
	}
	return &versionBody{Version: one.Versions[0], tag: frame.around(one, of != nil), shared: one.Tags}, append(losses, more...)
}

// fits is false where the tag has no room even for the version's identity.
func (b *versionBody) fits() bool { return b.tag == nil || b.tag.fits() }

// overLimits lists what the product has a place for, but not so large a one.
func overLimits(v *secret.Version, most, room int) (losses []secret.Loss) {
	if characters(v.ContentType) > maxContentType {
		why := "Key Vault's content types have at most 255 characters"
		losses = append(losses, secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: loss.ContentType, Why: why})
	}
	if why := tagsProblem(v.Tags, most, room); why != "" {
		losses = append(losses, secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: loss.Tags, Why: why})
	}
	return losses
}

// tagsProblem says why the product cannot hold the tags, of which there may be
// most, in a vault that takes room of them; "" where it can.
func tagsProblem(tags map[string]string, most, room int) string {
	holder := "Key Vault"
	if room < maxTags {
		holder = "the gateway behind this one"
	}
	switch {
	case len(tags) > room:
		return fmt.Sprintf("%s holds at most %d tags", holder, room)
	case len(tags) > most:
		return fmt.Sprintf("%s holds at most %d tags, and the gateway needs one of them", holder, room)
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case isReserved(k):
			return "the tag name vaultferry is reserved for the gateway"
		case k == "" || characters(k) > maxTagText || characters(tags[k]) > maxTagText:
			return "Key Vault's tags have names of 1 to 512 characters and values of at most 512"
		}
	}
	return ""
}

// spelling is the name as native tools spelled it, if it still is that name.
func spelling(wire string, extra secret.Extra) string {
	if n := extra.Text(extraName); strings.EqualFold(n, wire) && natural(strings.ToLower(n)) {
		return n
	}
	return wire
}

// spell returns the text that the product holds for a value.
func spell(v secret.Value) string {
	if v.Form() == secret.Binary {
		return base64.StdEncoding.EncodeToString(v.Reveal())
	}
	return string(v.Reveal())
}

// formOf says what spell makes of a value.
var formOf = map[secret.Form]sidecar.Form{secret.Binary: sidecar.FormBytes, secret.Fields: sidecar.FormObject}

// natively is how native tools see a value that is no text, and the content
// type that they see where the source had none.
var natively = map[sidecar.Form]struct{ why, contentType string }{
	sidecar.FormBytes:  {"Key Vault holds text, so the bytes are written as base64", "application/octet-stream;base64"},
	sidecar.FormObject: {"Key Vault holds text, so the fields are written as JSON", "application/json"},
}

// tooLarge says what is wrong with a value that the product cannot hold; ""
// where it can.
func tooLarge(v secret.Value) string {
	switch {
	case v.Form() == secret.Binary && base64.StdEncoding.EncodedLen(v.Len()) > maxValue:
		return "is larger than Key Vault's limit of 25,600 bytes, which is 19,200 bytes of binary"
	case v.Len() > maxValue:
		return "is larger than Key Vault's limit of 25,600 bytes"
	}
	return ""
}

// set is the request that writes the version.
func (b *versionBody) set() azsecrets.SetSecretParameters {
	p := azsecrets.SetSecretParameters{
		Value:            new(spell(b.Value)),
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(!b.Disabled), Expires: seconds(b.Expires), NotBefore: seconds(b.NotBefore)},
	}
	if b.Tags != nil || b.tag != nil {
		p.Tags = wireTags(b.nativeTags(), b.tag)
	}
	if t := b.contentType(); t != "" {
		p.ContentType = &t
	}
	return p
}

// patch is the request that makes this of the version it: the attributes that p
// names, and the tags where they may have changed. The product cannot
// take a content type, a start or an end away. Native tools then see ours, or a
// version that is good since it was made or until the year 9999, and the tag
// hides that.
func (b *versionBody) patch(it *item, p *secret.Patch) (out azsecrets.UpdateSecretPropertiesParameters) {
	if b.tag != nil || p.Tags != nil {
		out.Tags = wireTags(b.nativeTags(), b.tag)
	}
	if p.ContentType != nil {
		out.ContentType = new(b.contentType())
	}
	var a azsecrets.SecretAttributes
	if p.Disabled != nil {
		a.Enabled = new(!b.Disabled)
	}
	if p.NotBefore != nil {
		if a.NotBefore = seconds(b.NotBefore); b.tag != nil && b.tag.Endless.Start() {
			a.NotBefore = &it.created
		}
	}
	if p.Expires != nil {
		if a.Expires = seconds(b.Expires); b.tag != nil && b.tag.Endless.End() {
			a.Expires = &noEnd
		}
	}
	if a != (azsecrets.SecretAttributes{}) {
		out.SecretAttributes = &a
	}
	return out
}

func (b *versionBody) contentType() string {
	if b.ContentType == "" && b.tag != nil {
		return natively[b.tag.Form].contentType
	}
	return b.ContentType
}

func wireTags(tags map[string]string, ours *tagSidecar) map[string]*string {
	out := make(map[string]*string, len(tags)+1)
	for k, t := range tags {
		if ours != nil {
			k = nativeName(k)
		}
		out[k] = new(t)
	}
	if ours != nil {
		out[sidecarTag] = new(sidecar.JSON(ours))
	}
	return out
}

func seconds(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(time.Unix(t.Unix(), 0).UTC()) // that of secret.First is the zero time: the year 1, and not "unset"
}

// noEnd is what the product shows where the gateway takes an end away.
var noEnd = secret.AtSecond(sidecar.MaxTime)
