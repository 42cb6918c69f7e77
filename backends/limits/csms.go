package limits

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// CSMS is Huawei Cloud CSMS for a store in memory. What the product lacks the
// gateway keeps at the end of the description, deflated, as far as that goes;
// the forecast is of the same words as that of package huaweicsms.
func CSMS() backends.Imitation {
	p := csms()
	return backends.Imitation{
		Capabilities: backends.Capabilities{Product: p.Name, MaxValue: p.Text.Most, MaxVersions: p.Versions.Most, KeepsEmptyTags: true},
		CheckName:    secret.Name.Validate, // over-long ones are hashed, with the name beside
		Forecast:     func(s *secret.Secret) []secret.Loss { return newCSMSPlan(&p, s).losses },
	}
}

// csmsPlan lays a secret out as CSMS would hold it.
type csmsPlan struct {
	p        *Product
	s        *secret.Secret
	versions []*secret.Version
	kept     csmsBeside
	human    int // bytes of description that people see
	losses   []secret.Loss
}

const csmsFull = "CSMS has no place for it but the description of 2048 bytes, and that is full"

func newCSMSPlan(p *Product, s *secret.Secret) *csmsPlan {
	x := &csmsPlan{p: p, s: s}
	x.lose(secret.Trace, 0, backends.LossCreated, "CSMS stamps its own times; the gateway keeps these beside the version")
	x.choose()
	if len(x.versions) == 0 {
		return x
	}
	x.identify()
	x.roles()
	x.labels()
	x.native()
	x.ofSecret()
	x.attributes()
	return x
}

func (x *csmsPlan) lose(g secret.Grade, o secret.Ordinal, what, why string) {
	x.losses = append(x.losses, secret.Loss{Grade: g, Version: o, What: what, Why: why})
}

// choose leaves out the versions that the product cannot hold, and of too many
// the oldest that nothing names.
func (x *csmsPlan) choose() {
	for i := range x.s.Versions {
		if v := &x.s.Versions[i]; !x.unholdable(v) {
			x.versions = append(x.versions, v)
		}
	}
	over := len(x.versions) - x.p.Versions.Most
	x.versions = slices.DeleteFunc(x.versions, func(v *secret.Version) bool {
		if over <= 0 || !backends.Free(x.s, v) {
			return false
		}
		over--
		x.lose(secret.Data, v.Ordinal, backends.LossVersion, "CSMS holds 20 versions; the oldest without a stage go")
		return true
	})
}

func (x *csmsPlan) unholdable(v *secret.Version) bool {
	most, why := x.p.Text.Most, "CSMS holds at most 32768 bytes"
	if v.Value.Form() == secret.Binary {
		most, why = x.p.Binary.Most, "CSMS holds at most 32768 bytes, which is 24576 bytes of binary"
	}
	switch role := v.Ordinal == x.s.Current || v.Ordinal == x.s.Previous; {
	case v.Missing == secret.Destroyed && !role:
		x.lose(secret.Trace, v.Ordinal, backends.LossVersion, "CSMS holds no version without a value; the number stays unused")
	case v.Missing != "":
		x.lose(secret.Meaning, v.Ordinal, backends.LossVersion, "CSMS holds no version without a value")
	case v.Value.Len() > most:
		x.lose(secret.Data, v.Ordinal, backends.LossVersion, why)
	default:
		return false
	}
	return true
}

func (x *csmsPlan) stands(o secret.Ordinal) bool {
	return slices.ContainsFunc(x.versions, func(v *secret.Version) bool { return v.Ordinal == o })
}

func (x *csmsPlan) roles() {
	if !x.stands(x.s.Current) {
		x.lose(secret.Trace, 0, backends.LossCurrent, "CSMS always has a current version; the gateway knows that there is none")
	}
	if !x.stands(x.s.Previous) && len(x.versions) > 1 {
		x.lose(secret.Trace, 0, backends.LossPrevious, "CSMS always has a previous version; the gateway knows that there is none")
	}
}

// labels gives room to those of the newest versions first.
func (x *csmsPlan) labels() {
	taken := 0
	for _, v := range slices.Backward(x.versions) {
		switch {
		case len(v.Stages) == 0:
		case slices.ContainsFunc(v.Stages, func(l string) bool { return !x.label(l) }):
			x.lose(secret.Meaning, v.Ordinal, backends.LossStages, "CSMS takes stages of 1 to 64 letters, digits, hyphens, underscores and dots, and some names are taken")
		case taken+len(v.Stages) > x.p.Stages.Most:
			x.lose(secret.Meaning, v.Ordinal, backends.LossStages, "CSMS holds 12 stages of a secret, the two roles among them")
		default:
			taken += len(v.Stages)
		}
	}
}

func (x *csmsPlan) label(s string) bool {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r)
	}
	return s != "" && len(s) <= x.p.StageLength.Most && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) &&
		s != "SYSCURRENT" && s != "SYSPREVIOUS"
}

// The ends that CSMS can say, in milliseconds of 13 digits.
var csmsEnd = time.UnixMilli(9999999999999)

func csmsEndProblem(t time.Time) bool {
	return !t.IsZero() && (t.Unix() < 1 || t.After(csmsEnd))
}

func (x *csmsPlan) native() {
	for _, v := range x.versions {
		if csmsEndProblem(v.Expires) {
			x.lose(secret.Meaning, v.Ordinal, backends.LossExpires, "CSMS holds ends from 1970 to 2286")
		}
		if v.Disabled {
			x.lose(secret.Data, v.Ordinal, backends.LossDisabled, "CSMS knows no disabled version: its own tools can read this one")
		}
		if v.Value.Form() == secret.Fields {
			x.lose(secret.Trace, v.Ordinal, backends.LossForm, "CSMS holds text: its own tools see the fields as JSON")
		}
	}
}

// ofSecret lays out what belongs to the secret as a whole.
func (x *csmsPlan) ofSecret() {
	if x.human = len(x.s.Description); !x.fits(&x.kept) {
		x.human = 0
		x.lose(secret.Meaning, 0, backends.LossDescription, csmsFull)
	}
	if why := x.tagsProblem(x.s.Tags); why != "" {
		x.lose(secret.Meaning, 0, backends.LossTags, why)
	}
	if len(x.s.Extra) > 0 {
		next := x.kept
		next.Extra = map[string]json.RawMessage(x.s.Extra)
		x.try(next, 0, backends.LossExtra)
	}
}

func (x *csmsPlan) tagsProblem(tags map[string]string) string {
	if len(tags) > x.p.SecretTags.Most {
		return "CSMS holds 20 tags of a secret"
	}
	for k, v := range tags {
		if utf8.RuneCountInString(spelt(k, tagKey)) > x.p.TagName.Most || utf8.RuneCountInString(spelt(v, tagValue)) > x.p.TagValue.Most {
			return "a tag is too long for CSMS"
		}
	}
	return ""
}
