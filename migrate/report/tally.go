package report

import (
	"slices"

	"github.com/vaultferry/vaultferry/inventory"
)

// Add counts one secret by what a comparison of its two entries says. foretold: all
// that differs was.
func (c *Compared) Add(sign inventory.Sign, foretold bool) {
	switch {
	case sign == inventory.Same:
		c.Same++
	case sign == inventory.Incomparable:
		c.Unread++
	case foretold:
		c.Foretold++
	case sign == inventory.Attribute:
		c.Attributes++
	case sign == inventory.OnlyA:
		c.OnlySource++
	case sign == inventory.OnlyB:
		c.OnlyTarget++
	default:
		c.Different++
	}
}

// Foretell counts a loss that the plan tells of what is to be written.
func (m *Migration) Foretell(grade, what string) { m.loss(grade, what).Foretold++ }

// Find counts a foretold loss that the comparison shows.
func (m *Migration) Find(grade, what string) { m.loss(grade, what).Found++ }

func (m *Migration) loss(grade, what string) *Loss {
	i := slices.IndexFunc(m.Losses, func(l Loss) bool { return l.Grade == grade && l.What == what })
	if i < 0 {
		i = len(m.Losses)
		m.Losses = append(m.Losses, Loss{Grade: grade, What: what})
	}
	return &m.Losses[i]
}
