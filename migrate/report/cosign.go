package report

import (
	"fmt"

	"github.com/vaultferry/vaultferry/backup"
)

// Side is one of the two of a migration.
type Side string

// The sides.
const (
	Source Side = "source"
	Target Side = "target"
)

// Holds returns the side that an inventory is of: its root stands in the
// statement, and so do the file's digest and all else that the inventory says of
// its store. Kind: Invalid, where it does not.
func (r *Report) Holds(mine Store, sha256 string) (Side, error) {
	m := &r.Statement.Predicate
	for i, side := range []Side{Source, Target} {
		theirs := []*Store{&m.Source, &m.Target}[i]
		if theirs.Root != mine.Root {
			continue
		}
		mine.File = theirs.File // files are renamed
		if *theirs != mine {
			return "", invalid("the report has the root of this inventory as its %s's, and says something else of it: %s", side, differing(theirs, &mine))
		}
		if r.Statement.Subject[i+1].Digest.SHA256 != sha256 {
			return "", invalid("the report has the root of this inventory as its %s's, and the digest of another file", side)
		}
		return side, nil
	}
	return "", invalid("the root of this inventory, %s, does not stand in the report: its source has %s, its target %s", mine.Root, m.Source.Root, m.Target.Root)
}

// differing says in what two descriptions of a store differ first.
func differing(theirs, mine *Store) string {
	for _, f := range []struct{ what, theirs, mine string }{
		{"gateway", theirs.Gateway, mine.Gateway},
		{"store", theirs.Store, mine.Store},
		{"product", theirs.Product, mine.Product},
		{"begun", theirs.Begun.String(), mine.Begun.String()},
		{"ended", theirs.Ended.String(), mine.Ended.String()},
		{"secrets", fmt.Sprint(theirs.Secrets), fmt.Sprint(mine.Secrets)},
		{"unread", fmt.Sprint(theirs.Unread), fmt.Sprint(mine.Unread)},
		{"leftOut", fmt.Sprint(theirs.LeftOut), fmt.Sprint(mine.LeftOut)},
		{"noValues", fmt.Sprint(theirs.NoValues), fmt.Sprint(mine.NoValues)},
	} {
		if f.theirs != f.mine {
			return fmt.Sprintf("%s is %s and not %s", f.what, f.theirs, f.mine)
		}
	}
	return "something"
}

// Cosign adds a signature over the same payload, after a look that one's own
// inventory stands in it. Kinds: those of Holds and Sign; AlreadyExists.
func (r *Report) Cosign(keys *backup.Keyring, mine Store, sha256 string) (Side, error) {
	side, err := r.Holds(mine, sha256)
	if err != nil {
		return "", err
	}
	return side, r.sign(keys)
}
