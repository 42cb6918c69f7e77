package snapshot

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Drill is what came of a trial: secrets of a snapshot were restored into an
// imitation of a product, and compared with what the snapshot holds.
type Drill struct {
	Vaultferry string    `json:"vaultferry"` // "drill"
	Format     int       `json:"format"`
	Repository string    `json:"repository"`
	Snapshot   string    `json:"snapshot"`
	Gateway    string    `json:"gateway"` // of the snapshot
	Store      string    `json:"store"`   // likewise
	Product    string    `json:"product"` // likewise
	As         string    `json:"as"`      // the product that was imitated
	By         string    `json:"by"`
	Begun      time.Time `json:"begun"`
	Ended      time.Time `json:"ended"`
	Count      int       `json:"count"` // secrets in the snapshot
	Tried      int       `json:"tried"` // of these
	Same       int       `json:"same"`  // of these, less what was foretold
	// Losing counts those of Same of which something was lost that was foretold and
	// accepted.
	Losing int `json:"losing,omitempty"`
	// Problems are the first ones, at most as many as MostProblems.
	Problems  []Problem `json:"problems,omitempty"`
	Signature string    `json:"signature,omitempty"`
}

func (d *Drill) signature() *string { return &d.Signature }

// Problem is a secret that did not come back as it was.
type Problem struct {
	Name secret.Name `json:"name"`
	What string      `json:"what"`
}

// MostProblems is how many a result names.
const MostProblems = 20

// OK reports whether everything that was tried came back.
func (d *Drill) OK() bool { return d.Tried == d.Same }

// AddDrill signs the result of a drill, and leaves it in the repository. Its caller
// fills in all from Snapshot to Problems.
func (r *Repository) AddDrill(d *Drill) error {
	d.Vaultferry, d.Format, d.Repository = kindDrill, Format, r.id
	d.Begun, d.Ended = d.Begun.UTC().Truncate(time.Millisecond), d.Ended.UTC().Truncate(time.Millisecond)
	line, err := sign(r.keys, typeDrill, d)
	if err != nil {
		return err
	}
	for _, dir := range []string{dirDrills, dirWork} { // a copy may lack empty ones
		if err := os.MkdirAll(r.path(dir), 0o700); err != nil {
			return fileError(dir, err)
		}
	}
	sum := sha256.Sum256(line)
	return r.publish(dirDrills+"/"+hex.EncodeToString(sum[:]), line)
}

// Drills reads all results, the oldest first, and what is wrong with those that
// cannot be read.
func (r *Repository) Drills() ([]*Drill, []Damage, error) {
	names, err := r.names(dirDrills)
	if err != nil {
		return nil, nil, err
	}
	var all []*Drill
	var damage []Damage
	for _, name := range names {
		d, err := r.drill(name)
		if err != nil {
			damage = append(damage, damageOf(dirDrills+"/"+name, err))
			continue
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Drill) int {
		return cmp.Or(a.Ended.Compare(b.Ended), strings.Compare(a.Snapshot, b.Snapshot))
	})
	return all, damage, nil
}

func (r *Repository) drill(name string) (*Drill, error) {
	if !digest.MatchString(name) {
		return nil, errStray
	}
	line, err := r.read(dirDrills + "/" + name)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(line); hex.EncodeToString(sum[:]) != name {
		return nil, errors.New("the file was changed: its SHA-256 is not its name")
	}
	d := new(Drill)
	if err := readSigned(r.keys, typeDrill, line, d, func() time.Time { return d.Ended }); err != nil {
		return nil, err
	}
	if d.Vaultferry != kindDrill || d.Format != Format || d.Repository != r.id {
		return nil, errors.New("it is of another repository")
	}
	return d, nil
}
