package secret_test

import (
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestShownTags: own tags come first, an empty set hides what is behind it, and
// nothing is passed on twice.
func TestShownTags(t *testing.T) {
	t.Parallel()
	a, b, c, none := map[string]string{"a": "1"}, map[string]string{"b": "2"}, map[string]string{"c": "3"}, map[string]string{}
	type tags = map[string]string
	for what, tt := range map[string]struct{ ofSecret, old, current, wantSecret, wantOld, wantCurrent tags }{
		"nobody has any":                        {nil, nil, nil, nil, nil, nil},
		"the secret alone":                      {a, nil, nil, a, a, a},
		"the current version alone":             {nil, nil, c, c, nil, c},
		"an old version alone":                  {nil, b, nil, nil, b, nil},
		"each its own":                          {a, b, c, a, b, c},
		"an empty set of the secret":            {none, nil, c, none, none, c},
		"an empty set of the current version":   {a, nil, none, a, a, none},
		"an empty set of the current one alone": {nil, nil, none, none, nil, none},
	} {
		s := &secret.Secret{Tags: tt.ofSecret, Current: 2, Versions: []secret.Version{{Ordinal: 1, Tags: tt.old}, {Ordinal: 2, Tags: tt.current}}}
		for of, pair := range map[string][2]tags{
			"the secret":  {s.ShownTags(nil), tt.wantSecret},
			"version 1":   {s.ShownTags(&s.Versions[0]), tt.wantOld},
			"version 2":   {s.ShownTags(&s.Versions[1]), tt.wantCurrent},
			"one of them": {s.Only(1).ShownTags(&s.Versions[0]), tt.wantOld},
		} {
			if !secret.SameTags(pair[0], pair[1]) {
				t.Errorf("%s: for %s %v is shown, want %v", what, of, pair[0], pair[1])
			}
		}
	}
	if s := (&secret.Secret{Tags: a}); !secret.SameTags(s.ShownTags(nil), a) || (&secret.Secret{}).ShownTags(nil) != nil {
		t.Error("a secret whose current version is not there shows other tags than its own")
	}
}

func TestSameTags(t *testing.T) {
	t.Parallel()
	sets := []map[string]string{nil, {}, {"a": ""}, {"a": "1"}, {"b": ""}}
	for i, a := range sets {
		for j, b := range sets {
			if secret.SameTags(a, b) != (i == j) {
				t.Errorf("%v and %v", a, b)
			}
		}
	}
}
