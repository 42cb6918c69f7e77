package huawei

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

type projectTag struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

type projectTagsAnswer struct {
	Tags []projectTag `json:"tags"`
}

// listProjectTags gathers the tags of all secrets that the caller may list.
func (a *api) listProjectTags(r *request) (any, error) {
	values := map[string][]string{}
	err := a.each(r, func(s *secret.Secret) error {
		for _, t := range renderTags(s).Tags {
			values[t.Key] = append(values[t.Key], t.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := projectTagsAnswer{Tags: []projectTag{}}
	for k, all := range values {
		slices.Sort(all)
		out.Tags = append(out.Tags, projectTag{k, slices.Compact(all)})
	}
	slices.SortFunc(out.Tags, func(x, y projectTag) int { return strings.Compare(x.Key, y.Key) })
	return out, nil
}

// each walks through all secrets that CSMS can name, in the order of names.
func (a *api) each(r *request, see func(*secret.Secret) error) error {
	for q := (secret.Query{Limit: maxLimit, WithTrash: true}); ; {
		page, err := a.svc.List(r.Context(), r.call, r.store, q)
		if err != nil {
			return err
		}
		for _, s := range page.Secrets {
			if speakable(s.Name) != nil {
				continue
			}
			if err := see(s); err != nil {
				return err
			}
		}
		if q.After = page.Next; page.Next == "" {
			return nil
		}
	}
}

type (
	instancesBody struct {
		Action   string            `json:"action"`
		Limit    eitherNumber      `json:"limit"`
		Offset   eitherNumber      `json:"offset"`
		Tags     []json.RawMessage `json:"tags"`
		Matches  []json.RawMessage `json:"matches"`
		Sequence string            `json:"sequence"`
	}
	tagFilter struct {
		Key    string   `json:"key"`
		Values []string `json:"values"`
	}
	instance struct {
		ID     string       `json:"resource_id"`
		Name   string       `json:"resource_name"`
		Detail secretObject `json:"resource_detail"`
		tagsAnswer
	}
	instancesAnswer struct {
		Resources []instance `json:"resources"`
		Total     int        `json:"total_count"`
	}
	countAnswer struct {
		Total int `json:"total_count"`
	}
)

// Bounds of a filter.
const (
	defaultInstances = 10
	maxFilters       = 10 // keys, and values of one
	matchName        = "resource_name"
)

// filter is what a secret must meet: every key with one of its values, and a
// name that holds each of the parts, whatever their case.
type filter struct {
	tags   []tagFilter
	names  []string // lower case
	offset int
	limit  int
}

func (a *api) listInstances(r *request) (any, error) {
	var body instancesBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	f, err := body.filter()
	if err != nil {
		return nil, err
	}
	out := instancesAnswer{Resources: []instance{}}
	err = a.each(r, func(s *secret.Secret) error {
		tags := renderTags(s)
		o, err := a.renderSecret(r.store, s)
		if err != nil || !f.meets(o.Name, s.ShownTags(nil)) {
			return err
		}
		if out.Total >= f.offset && len(out.Resources) < f.limit {
			out.Resources = append(out.Resources, instance{o.ID, o.Name, o, tags})
		}
		out.Total++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if body.Action == "count" {
		return countAnswer{out.Total}, nil
	}
	return out, nil
}

// filter ignores the page of a count.
func (b *instancesBody) filter() (*filter, error) {
	f := &filter{limit: defaultInstances}
	var err error
	switch b.Action {
	case "count":
	case "filter":
		if f.limit, err = b.Limit.within("limit", defaultInstances, 1, maxLimit); err != nil {
			return nil, err
		}
		if f.offset, err = b.Offset.within("offset", 0, 0, 1<<31-1); err != nil {
			return nil, err
		}
	default:
		return nil, secret.Errorf(secret.Invalid, "action is neither filter nor count")
	}
	if len(b.Tags) > maxFilters || len(b.Matches) > maxFilters {
		return nil, secret.Errorf(secret.Invalid, "at most %d tags and matches can be asked for", maxFilters)
	}
	for _, raw := range b.Tags {
		var t tagFilter
		if err := decode(raw, &t); err != nil {
			return nil, err
		}
		if t.Key == "" || len(t.Values) > maxFilters {
			return nil, secret.Errorf(secret.Invalid, "a tag to ask for has a key and at most %d values", maxFilters)
		}
		f.tags = append(f.tags, t)
	}
	for _, raw := range b.Matches {
		var m tagItem
		if err := decode(raw, &m); err != nil {
			return nil, err
		}
		if m.Key != matchName {
			return nil, secret.Errorf(secret.Invalid, "a match has the key %s", matchName)
		}
		f.names = append(f.names, strings.ToLower(m.Value))
	}
	return f, nil
}

// meets takes a key without values for one that may have any.
func (f *filter) meets(name string, tags map[string]string) bool {
	for _, t := range f.tags {
		v, ok := tags[t.Key]
		if !ok || (len(t.Values) > 0 && !slices.Contains(t.Values, v)) {
			return false
		}
	}
	name = strings.ToLower(name)
	return !slices.ContainsFunc(f.names, func(part string) bool { return !strings.Contains(name, part) })
}
