package huawei

import (
	"cmp"
	"encoding/json"

	"github.com/vaultferry/vaultferry/secret"
)

// extraKeys tells the key of older versions where a secret was given another:
// a new key counts for the versions made after.
const extraKeys = "huawei.kms_keys"

// keyEra says which key was named for the versions up to one. An empty key is
// the store's own.
type keyEra struct {
	Until secret.Ordinal `json:"until"`
	Key   string         `json:"key"`
}

func keyEras(s *secret.Secret) []keyEra {
	raw, ok := s.Extra[extraKeys]
	var all []keyEra
	if !ok || json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return all
}

func keyOf(store string, s *secret.Secret) string {
	if id := s.Extra.Text(extraKey); id != "" {
		return id
	}
	return keyID(store)
}

func keyOfVersion(store string, s *secret.Secret, o secret.Ordinal) string {
	for _, e := range keyEras(s) {
		if o <= e.Until {
			return cmp.Or(e.Key, keyID(store))
		}
	}
	return keyOf(store, s)
}

// changeKey returns what names key for the versions to come.
func changeKey(have *secret.Secret, key string) map[string]json.RawMessage {
	old := have.Extra.Text(extraKey)
	if key == old {
		return nil
	}
	eras := keyEras(have)
	newest := have.Newest().Ordinal
	if n := len(eras); n == 0 || eras[n-1].Until < newest {
		eras = append(eras, keyEra{newest, old})
	}
	raw, err := json.Marshal(eras)
	if err != nil { // numbers and texts always marshal
		panic(err)
	}
	out := extraText(extraKey, key)
	out[extraKeys] = raw
	return out
}

// extraText is a member of Extra as a change takes it.
func extraText(member, text string) map[string]json.RawMessage {
	return secret.Extra{}.WithText(member, text)
}
