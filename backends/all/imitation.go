package all

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/secret"
)

// Imitation opens an empty store in memory that holds what the product holds, and
// no more: see ImitationOver.
func Imitation(product string, now func() time.Time) (backends.Backend, error) {
	return ImitationOver(memory.New(memory.Options{Now: now}), product)
}

// ImitationOver is a view of the store that holds what the product holds, and no
// more. The product is a kind of store, or a word of memory.as where one kind is
// several products; the kind hashivault alone is KV v2. What holds everything is
// imitated by the store itself. Whatever stands in it already stays.
func ImitationOver(s *memory.Store, product string) (backends.Backend, error) {
	switch product {
	case "bolt", "memory":
		return s, nil
	case "postgres":
		return s.Imitate(postgresProfile()), nil
	case "huaweicsms":
		product = "csms"
	}
	as, ok := Profiles()[product]
	if !ok {
		return nil, fmt.Errorf("no product %q can be imitated; the words are %s", product, strings.Join(Imitations(), ", "))
	}
	return s.Imitate(as), nil
}

// postgresProfile is of a product that holds what memory does, but for its largest
// value.
func postgresProfile() backends.Profile {
	s := new(postgres.Store)
	return backends.Profile{
		Capabilities: s.Capabilities(), Forecast: s.Forecast,
		Names: backends.Names{Spell: func(n secret.Name) (string, error) { return string(n), n.Validate() }},
	}
}

// Imitations are the words that Imitation takes.
func Imitations() []string {
	words := append(slices.Collect(maps.Keys(Profiles())), "bolt", "huaweicsms", "memory", "postgres")
	slices.Sort(words)
	return words
}
