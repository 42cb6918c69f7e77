package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/secret"
)

// spelling is a name as others see it, where they see another one than the
// commands: in the product of the store, or through a dialect that leads to it.
type spelling struct {
	// In is "product", "azure" or "huawei".
	In string `json:"in"`
	// Folder of the store that all the clients are in.
	Folder string `json:"folder,omitempty"`
	// Name is empty where that side cannot spell it: clients of a dialect do
	// not find the secret, and a product does not take it.
	Name string `json:"name"`

	title string
}

// side is one way to see the names of a store.
type side struct {
	in, title string
	folder    *regexp.Regexp // that clients are in
	spell     func(secret.Name) (string, error)
}

// sides are the product of the session's store, and the routes to it.
func (s *session) sides() []side {
	var sides []side
	if s.own != nil { // what only a gateway holds takes names as they are
		info, _ := s.own.Info(s.store.Name)
		sides = append(sides, side{
			in: "product", title: info.Capabilities.Product,
			spell: func(n secret.Name) (string, error) { return s.own.Spell(s.store.Name, n) },
		})
	}
	for _, r := range s.cfg.Dialects.Azure.Routes {
		if r.Store == s.store.Name {
			sides = append(sides, side{in: "azure", title: "the azure dialect", folder: folderOf(r), spell: azure.WireName})
		}
	}
	for _, r := range s.cfg.Dialects.Huawei.Routes {
		if r.Store == s.store.Name {
			sides = append(sides, side{in: "huawei", title: "the huawei dialect", spell: huawei.WireName})
		}
	}
	return sides
}

// folderOf matches what the route puts before a name. Nil: nothing.
func folderOf(r config.AzureRoute) *regexp.Regexp {
	if r.Prefix == "" {
		return nil
	}
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(r.Prefix), `\{1\}`, "[a-z0-9-]+"))
}

// spellings lists each that differs, once.
func spellings(sides []side, name secret.Name) []spelling {
	var all []spelling
	for _, side := range sides {
		seen := spelling{In: side.in, title: side.title}
		inside := string(name)
		if side.folder != nil {
			seen.Folder = side.folder.FindString(inside)
			inside = strings.TrimPrefix(inside, seen.Folder)
			if seen.Folder == "" || inside == "" {
				continue // not there for these clients
			}
		}
		seen.Name, _ = side.spell(secret.Name(inside)) // empty: it cannot
		if seen.Name != inside && !slices.Contains(all, seen) {
			all = append(all, seen)
		}
	}
	return all
}

// sentence says it to people: "is x0-ehim2r9fchh0 in Key Vault".
func (s spelling) sentence() string {
	if s.Name == "" {
		return "cannot be spelled in " + s.where()
	}
	return "is " + printable(s.Name) + " in " + s.where()
}

func (s spelling) where() string {
	if s.Folder != "" {
		return s.title + ", folder " + printable(s.Folder)
	}
	return s.title
}

// sentences joins what is said of one name.
func sentences(all []spelling) string {
	var said []string
	for _, s := range all {
		said = append(said, s.sentence())
	}
	return strings.Join(said, "; ")
}
