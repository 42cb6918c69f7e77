package huawei

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Limits of the tags of a secret.
const (
	maxTags     = 20
	maxTagKey   = 128 // characters
	maxTagValue = 255
	systemTag   = "_sys_" // begins the keys of tags that are the service's own
)

type tagItem struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type (
	createTagBody struct {
		Tag json.RawMessage `json:"tag"`
	}
	changeTagsBody struct {
		Tags     []json.RawMessage `json:"tags"`
		Action   string            `json:"action"`
		Sequence string            `json:"sequence"`
	}
	tagsAnswer struct {
		Tags    []tagItem `json:"tags"`
		SysTags []tagItem `json:"sys_tags"`
	}
)

func (a *api) createTag(r *request) (any, error) {
	var body createTagBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	tags, err := readTags([]json.RawMessage{body.Tag})
	if err != nil {
		return nil, err
	}
	return nil, a.editTags(r, setTags(tags))
}

func (a *api) changeTags(r *request) (any, error) {
	var body changeTagsBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	tags, err := readTags(body.Tags)
	if err != nil {
		return nil, err
	}
	switch body.Action {
	case "create":
		return nil, a.editTags(r, setTags(tags))
	case "delete":
		return nil, a.editTags(r, func(have map[string]string) error {
			before := len(have)
			for k := range tags { // clients send values too; the key names the tag
				delete(have, k)
			}
			if len(have) == before {
				return errNothing
			}
			return nil
		})
	}
	return nil, secret.Errorf(secret.Invalid, "action is neither create nor delete")
}

func (a *api) deleteTag(r *request) (any, error) {
	key := r.Vars["key"]
	if strings.HasPrefix(key, systemTag) {
		return nil, systemTagError()
	}
	return nil, a.editTags(r, func(have map[string]string) error {
		if _, ok := have[key]; !ok {
			return secret.Errorf(secret.NotFound, "the secret has no such tag")
		}
		delete(have, key)
		return nil
	})
}

// setTags overwrites the value of a key that is there.
func setTags(tags map[string]string) func(map[string]string) error {
	return func(have map[string]string) error {
		before := len(have)
		maps.Copy(have, tags)
		if len(have) > max(before, maxTags) {
			return secret.Errorf(secret.Invalid, "a secret has at most %d tags", maxTags)
		}
		return nil
	}
}

// errNothing ends an edit that would change nothing.
var errNothing = errors.New("nothing to change")

// editTags starts from what is shown. The result, empty too, is the secret's own
// from then on; the versions keep theirs.
func (a *api) editTags(r *request, edit func(map[string]string) error) error {
	ref, err := a.byID(r, access.Update)
	if err != nil {
		return err
	}
	_, err = a.svc.Edit(r.Context(), r.write(), ref, func(have *secret.Secret) (*gateway.Change, error) {
		tags := maps.Clone(have.ShownTags(nil))
		if tags == nil {
			tags = map[string]string{}
		}
		switch err := edit(tags); {
		case errors.Is(err, errNothing), err == nil && secret.SameTags(tags, have.Tags):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return &gateway.Change{Of: anyVersion(have), Patch: secret.Patch{SecretTags: &tags}}, nil
	})
	return byIDError(err)
}

func (a *api) listTags(r *request) (any, error) {
	ref, err := a.byID(r, access.List)
	if err != nil {
		return nil, err
	}
	sec, err := a.svc.DescribeWithTrash(r.Context(), r.call, ref, nil)
	if err != nil {
		return nil, byIDError(err)
	}
	return renderTags(sec), nil
}

// renderTags sorts by key, what is the service's own apart.
func renderTags(s *secret.Secret) tagsAnswer {
	out := tagsAnswer{Tags: []tagItem{}, SysTags: []tagItem{}}
	tags := s.ShownTags(nil)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if item := (tagItem{k, tags[k]}); strings.HasPrefix(k, systemTag) {
			out.SysTags = append(out.SysTags, item)
		} else {
			out.Tags = append(out.Tags, item)
		}
	}
	return out
}

// readTags wants each key once.
func readTags(raw []json.RawMessage) (map[string]string, error) {
	if len(raw) < 1 || len(raw) > maxTags {
		return nil, secret.Errorf(secret.Invalid, "tags holds 1 to %d tags", maxTags)
	}
	tags := map[string]string{}
	for _, item := range raw {
		var t tagItem
		if err := decode(item, &t); err != nil {
			return nil, err
		}
		if _, twice := tags[t.Key]; twice {
			return nil, secret.Errorf(secret.Invalid, "a tag is given twice")
		}
		if err := t.check(); err != nil {
			return nil, err
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}

func systemTagError() error {
	return secret.Errorf(secret.Invalid, "keys that begin with %s are the service's own", systemTag)
}

func (t tagItem) check() error {
	switch n := utf8.RuneCountInString(t.Key); {
	case n < 1 || n > maxTagKey:
		return secret.Errorf(secret.Invalid, "a tag's key has 1 to %d characters", maxTagKey)
	case strings.HasPrefix(t.Key, systemTag):
		return systemTagError()
	case strings.TrimFunc(t.Key, unicode.IsSpace) != t.Key:
		return secret.Errorf(secret.Invalid, "a tag's key neither begins nor ends with a space")
	case !tagText(t.Key, "_.:=+-@"):
		return secret.Errorf(secret.Invalid, "a tag's key holds letters, digits, spaces and _.:=+-@")
	case utf8.RuneCountInString(t.Value) > maxTagValue:
		return secret.Errorf(secret.Invalid, "a tag's value has at most %d characters", maxTagValue)
	case !tagText(t.Value, "_.:/=+-@"):
		return secret.Errorf(secret.Invalid, "a tag's value holds letters, digits, spaces and _.:/=+-@")
	}
	return nil
}

// tagText is the alphabet of the documents: \p{L}, \p{Z}, \p{N} and more.
func tagText(s, more string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune(more, c)
	})
}
