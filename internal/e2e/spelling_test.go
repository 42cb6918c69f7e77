package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestSpellingAndEmptyTags: what Key Vault alone tells apart, the case of a
// name and tags that are {} and not absent, crosses every pair of products.
func TestSpellingAndEmptyTags(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	kinds := slices.Sorted(maps.Keys(products))
	for _, from := range kinds {
		for _, into := range kinds {
			t.Run(from+"-"+into, func(t *testing.T) {
				t.Parallel()
				name := fmt.Sprintf("MySecret-%s-%s", from, into)
				path := "/secrets/" + name
				m.azure(t, "from-"+from, http.MethodPut, path, `{"value":"a","tags":{"k":"v"}}`)
				m.azure(t, "from-"+from, http.MethodPut, path, `{"value":"b","tags":{}}`)
				m.azure(t, "from-"+from, http.MethodPut, strings.ToUpper(path), `{"value":"c"}`)
				blob := m.azure(t, "from-"+from, http.MethodPost, path+"/backup", "")
				m.azure(t, "into-"+into, http.MethodPost, "/secrets/restore", blob)
				for _, store := range []string{"from-" + from, "into-" + into} {
					m.spelled(t, store, name)
				}
			})
		}
	}
}

func (m *matrix) spelled(t *testing.T, store, name string) {
	t.Helper()
	type item struct {
		ID   string
		Tags map[string]string
	}
	var list, versions struct{ Value []item }
	parse(t, m.azure(t, store, http.MethodGet, "/secrets", ""), &list)
	if !slices.ContainsFunc(list.Value, func(i item) bool { return strings.HasSuffix(i.ID, "/secrets/"+name) }) {
		t.Errorf("%s: the list does not spell the name as it was created", store)
	}
	parse(t, m.azure(t, store, http.MethodGet, "/secrets/"+strings.ToLower(name)+"/versions", ""), &versions)
	tags := map[string]int{}
	for _, v := range versions.Value {
		tags[fmt.Sprintf("%v %v", v.Tags == nil, len(v.Tags))]++
	}
	if want := map[string]int{"false 1": 1, "false 0": 1, "true 0": 1}; !maps.Equal(tags, want) {
		t.Errorf("%s: tags are %v, want %v", store, tags, want)
	}
}

// azure sends a request through the Azure dialect and returns the answer's body.
func (m *matrix) azure(t *testing.T, store, method, path, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, m.VaultURL(store)+path+"?api-version=2026-04-01", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.Token)
	resp, err := m.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v", method, path, resp.StatusCode, err)
	}
	return string(b)
}

func parse(t *testing.T, body string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatal(err)
	}
}
