package snapshot

import (
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// Rewrapping is what a rewrap changes: key files, and nothing else.
type Rewrapping struct {
	// Add is the key of the keyring that seals now; empty: it is a recipient.
	Add string
	// Remove are recipients whose key is retired in this keyring.
	Remove []string
}

// None reports whether there is nothing to do.
func (p Rewrapping) None() bool { return p.Add == "" && len(p.Remove) == 0 }

// PlanRewrap finds out what a rewrap would do. Recipients that the keyring does not
// hold stay, and so do all where it could not open the repository by its present
// key. Kinds: as Key and Recipients.
func (r *Repository) PlanRewrap() (Rewrapping, error) {
	var p Rewrapping
	if _, _, err := r.Key(); err != nil {
		return p, err
	}
	all, err := r.Recipients()
	if err != nil {
		return p, err
	}
	has := func(kid string) bool {
		return slices.ContainsFunc(all, func(one Recipient) bool { return one.KID == kid })
	}
	for _, key := range r.keys.Keys() {
		switch {
		case key.Use != "enc":
		case key.Active && !has(key.ID):
			p.Add = key.ID
		case !key.Retired.IsZero() && r.left(key.ID) && r.keys.CanUnwrap():
			p.Remove = append(p.Remove, key.ID)
		}
	}
	if !r.keys.CanSeal() {
		return p, secret.Errorf(secret.Unsupported, "the keyring holds no key to seal with")
	}
	return p, nil
}

// Rewrap does what PlanRewrap finds, and returns it. It adds before it removes, so
// wherever it is cut the repository opens.
func (r *Repository) Rewrap(lock *Lock) (Rewrapping, error) {
	p, err := r.PlanRewrap()
	if err != nil {
		return p, err
	}
	if p.Add != "" {
		if _, err := r.AddRecipient(lock, r.keys); err != nil {
			return p, err
		}
	}
	for _, kid := range p.Remove {
		if err := r.RemoveRecipient(lock, kid); err != nil {
			return p, err
		}
	}
	return p, nil
}
