package history

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// CheckPatch refuses (Invalid) what no store can hold.
func CheckPatch(p *secret.Patch) error {
	switch {
	case p.MakeCurrent && p.MakePrevious:
		return secret.Errorf(secret.Invalid, "a version cannot become current and previous at once")
	case slices.Contains(p.AddStages, ""), slices.Contains(p.DropStages, ""):
		return secret.Errorf(secret.Invalid, "a stage has no name")
	case slices.ContainsFunc(p.AddStages, func(s string) bool { return slices.Contains(p.DropStages, s) }):
		return secret.Errorf(secret.Invalid, "a stage cannot be added and dropped at once")
	case !isText(p.AddStages...), p.ContentType != nil && !isText(*p.ContentType), p.Tags != nil && !areTexts(*p.Tags):
		return secret.Errorf(secret.Invalid, "an attribute is not valid UTF-8")
	case p.Description != nil && !isText(*p.Description), p.SecretTags != nil && !areTexts(*p.SecretTags):
		return secret.Errorf(secret.Invalid, "an attribute of the secret is not valid UTF-8")
	case !areMembers(p.Extra):
		return secret.Errorf(secret.Invalid, "an extra attribute of the secret is not valid JSON")
	}
	return nil
}

// CheckRoles refuses (Invalid) a patch that would make version o of s current
// and previous at once.
func CheckRoles(s *secret.Secret, o secret.Ordinal, p *secret.Patch) error {
	if p.MakePrevious && o == s.Current {
		return secret.Errorf(secret.Invalid, "the current version cannot become previous as well")
	}
	return nil
}

// PatchVersion changes the attributes that p names of v, and moves Updated to
// now, or to the first millisecond after what it was: it never stands still.
// Stages and roles are the head's affair.
func PatchVersion(v *secret.Version, p *secret.Patch, now time.Time) {
	set(&v.ContentType, p.ContentType)
	set(&v.Disabled, p.Disabled)
	set(&v.NotBefore, p.NotBefore)
	set(&v.Expires, p.Expires)
	if p.Tags != nil {
		v.Tags = maps.Clone(*p.Tags)
	}
	last := v.Updated.UTC().Truncate(time.Millisecond)
	v.Updated = Later(now.UTC().Truncate(time.Millisecond), last.Add(time.Millisecond))
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Patch applies p, which CheckPatch has passed, to v and to the secret of h.
func (h *Head) Patch(v *secret.Version, p *secret.Patch, now time.Time) error {
	s := &h.Secret
	if err := CheckRoles(s, v.Ordinal, p); err != nil {
		return err
	}
	PatchVersion(v, p, now)
	s.Updated = Later(s.Updated, v.Updated)
	for _, label := range p.DropStages {
		if h.Stages[label] == v.Ordinal {
			delete(h.Stages, label)
		}
	}
	for _, label := range p.AddStages {
		h.Stages[label] = v.Ordinal
	}
	v.Stages = h.StagesOf(v.Ordinal)
	if p.MakeCurrent && s.Current != v.Ordinal {
		s.Current, s.Previous = v.Ordinal, s.Current
	}
	if p.MakePrevious {
		s.Previous = v.Ordinal
	}
	set(&s.Description, p.Description)
	if p.SecretTags != nil {
		s.Tags = maps.Clone(*p.SecretTags)
	}
	s.Extra = PatchExtra(s.Extra, p.Extra)
	return nil
}

// PatchExtra returns e with the members of change; a nil member is removed.
func PatchExtra(e secret.Extra, change map[string]json.RawMessage) secret.Extra {
	if len(change) == 0 {
		return e
	}
	c := merged(e, change)
	maps.DeleteFunc(c, func(_ string, m json.RawMessage) bool { return m == nil })
	return c
}
