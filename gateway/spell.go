package gateway

import "github.com/vaultferry/vaultferry/secret"

// Spell returns what the store's product calls the secret. Kinds: NotFound, of
// the store; Invalid, where the product cannot spell the name.
func (s *Service) Spell(store string, name secret.Name) (string, error) {
	st, ok := s.stores[store]
	if !ok {
		return "", secret.Errorf(secret.NotFound, "no store %q", store)
	}
	if st.speller != nil {
		return st.speller.Spell(name)
	}
	return string(name), name.Validate()
}
