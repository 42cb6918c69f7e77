package snapshot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// CheckOptions shape a check.
type CheckOptions struct {
	// ReadData opens every document, for which the keyring must be a recipient.
	ReadData bool
	// Expect are snapshots that must be there, or forgotten: their ids, or how these
	// begin.
	Expect []string
}

// Checked is what a check found.
type Checked struct {
	Snapshots int      `json:"snapshots"`
	Documents int      `json:"documents"` // that snapshots name
	Bytes     int64    `json:"bytes"`     // of these
	Opened    int      `json:"opened"`    // of these
	Unused    int      `json:"unused"`    // documents that no snapshot names
	Drills    int      `json:"drills"`    // results of drills
	Damage    []Damage `json:"damage,omitempty"`
}

// ahead is how far another machine's clock may be.
const ahead = 5 * time.Minute

// Check looks at every file. It needs no key, but to read data, and may run beside
// whoever changes the repository.
func (r *Repository) Check(ctx context.Context, o CheckOptions) (*Checked, error) {
	c := &checker{r: r, wanted: map[[sha256.Size]byte][]held{}}
	var noKey error
	if o.ReadData {
		c.key, _, noKey = r.Key()
	}
	h, err := r.History()
	if err != nil {
		return nil, err
	}
	h.Expect(o.Expect)
	c.out.Snapshots, c.out.Damage = len(h.Kept), h.Damage
	for _, s := range h.Kept {
		if s.Begun.After(r.now().Add(ahead)) {
			c.damage(dirSnapshots+"/"+s.ID, errors.New("it was begun in the future, at "+s.Begun.Format(time.RFC3339)))
		}
	}
	drills, damage, err := r.Drills()
	if err != nil {
		return nil, err
	}
	c.out.Drills, c.out.Damage = len(drills), append(c.out.Damage, damage...)
	switch err := c.recipients(); {
	case err != nil:
		return nil, err
	case noKey != nil && !slices.ContainsFunc(c.out.Damage, func(d Damage) bool { return strings.HasPrefix(d.File, dirKeys) }):
		return nil, noKey
	}
	if err := c.want(h); err != nil {
		return nil, err
	}
	if err := c.documents(ctx); err != nil {
		return nil, err
	}
	if err := c.blame(); err != nil {
		return nil, err
	}
	slices.SortFunc(c.out.Damage, func(a, b Damage) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.What, b.What))
	})
	return &c.out, nil
}

// checker is a check on its way.
type checker struct {
	r      *Repository
	key    *backup.RepositoryKey        // nil: nothing is opened
	wanted map[[sha256.Size]byte][]held // documents that are not found yet, each with all it may be
	bad    map[[sha256.Size]byte]string // documents with what is wrong
	mu     sync.Mutex
	out    Checked
}

func (c *checker) damage(file string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Damage = append(c.out.Damage, damageOf(file, err))
}

var errStray = errors.New("it is no file of a repository: move it away")

// recipients holds each wrapped key to what vouches for it.
func (c *checker) recipients() error {
	names, err := c.r.names(dirKeys)
	if err != nil {
		return err
	}
	keys := 0
	for _, name := range names {
		base, isVoucher := strings.CutSuffix(name, endVoucher)
		if !isVoucher {
			if base, ok := strings.CutSuffix(name, endWrapped); !ok {
				c.damage(dirKeys+"/"+name, errStray)
			} else if !slices.Contains(names, base+endVoucher) {
				c.damage(dirKeys+"/"+name, errors.New("nothing vouches for it: "+base+endVoucher+" is missing"))
			}
			continue
		}
		if !slices.Contains(names, base+endWrapped) {
			c.damage(dirKeys+"/"+base+endWrapped, errors.New("it is missing"))
			continue
		}
		if file, err := c.recipient(dirKeys + "/" + base); err != nil {
			c.damage(file, err)
			continue
		}
		keys++
	}
	if keys == 0 {
		c.damage(dirKeys, errors.New("no recipient is left"))
	}
	return nil
}

// recipient returns the file that is wrong.
func (c *checker) recipient(base string) (string, error) {
	jws, err := c.r.read(base + endVoucher)
	if err != nil {
		return base + endVoucher, err
	}
	v, err := c.r.keys.ReadVoucher(string(jws))
	if err != nil {
		return base + endVoucher, errSigner
	}
	if fileOf(v.KID) != base || v.Repository != c.r.id {
		return base + endVoucher, errors.New("it vouches for another")
	}
	wrapped, err := c.r.wrappedFor(v.KID)
	if err != nil {
		return base + endWrapped, err
	}
	if c.r.keys.CanOpen() && slices.ContainsFunc(c.r.keys.Keys(), func(k backup.KeyInfo) bool { return k.ID == v.KID && k.Private }) {
		key, err := c.r.keys.UnwrapRepositoryKey(wrapped.Key)
		if err == nil && key.ID() != c.r.id {
			err = errors.New("it is the key of another repository")
		}
		return base + endWrapped, err
	}
	return "", nil
}

// want learns which documents must be there.
func (c *checker) want(h *History) error {
	for _, s := range h.Kept {
		if _, err := c.r.Load(s.ID, func(e *Entry) error {
			if e.Unread != "" {
				return nil
			}
			d := heldOf(e)
			if !slices.Contains(c.wanted[d.document], d) {
				c.wanted[d.document] = append(c.wanted[d.document], d)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	c.out.Documents = len(c.wanted)
	return nil
}

// documents reads all of them. What is left in wanted is missing.
func (c *checker) documents(ctx context.Context) error {
	c.bad = map[[sha256.Size]byte]string{}
	folders, err := c.r.names(dirDocuments)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, folder := range folders {
		names, err := c.r.names(dirDocuments + "/" + folder)
		if err != nil {
			c.damage(dirDocuments+"/"+folder, errStray)
			continue
		}
		for _, name := range names {
			file := dirDocuments + "/" + folder + "/" + name
			if !digest.MatchString(name) || name[:2] != folder {
				c.damage(file, errStray)
				continue
			}
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				c.document(name, file)
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for document := range c.wanted {
		c.bad[document] = "it is missing"
	}
	return nil
}

func (c *checker) document(name, file string) {
	var document [sha256.Size]byte
	_, _ = hex.Decode(document[:], []byte(name)) // the name was looked at
	c.mu.Lock()
	may := c.wanted[document]
	delete(c.wanted, document)
	if may == nil {
		c.out.Unused++
	}
	c.mu.Unlock()
	if may == nil {
		return
	}
	size, err := c.holds(name, file, may)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Bytes += size
	if err != nil {
		c.bad[document] = damageOf(file, err).What
	} else if c.key != nil {
		c.out.Opened++
	}
}

// holds fails unless the file is what some snapshot says.
func (c *checker) holds(name, file string, may []held) (int64, error) {
	f, _, err := c.r.open(file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return size, fileError(file, err)
	}
	is := held{size: size, sum: [sha256.Size]byte(sum.Sum(nil))}
	_, _ = hex.Decode(is.document[:], []byte(name)) // as above
	if !slices.Contains(may, is) {
		if size != may[0].size {
			return size, corrupt(file, "it was changed: it has %d bytes, and had %d", size, may[0].size)
		}
		return size, corrupt(file, "it was changed: its SHA-256 is another")
	}
	if c.key == nil {
		return size, nil
	}
	_, _, err = c.r.Document(c.key, &Entry{Document: name})
	return size, err
}

// blame says of which secrets the bad documents are, by the snapshots that are kept
// still: one that was forgotten meanwhile may have lost its documents to prune.
func (c *checker) blame() error {
	if len(c.bad) == 0 {
		return nil
	}
	h, err := c.r.History()
	if err != nil {
		return err
	}
	type users struct {
		name      secret.Name
		snapshots int
	}
	of := map[[sha256.Size]byte]*users{}
	for _, s := range h.Kept {
		if _, err := c.r.Load(s.ID, func(e *Entry) error {
			if e.Unread != "" {
				return nil
			}
			d := heldOf(e).document
			if _, bad := c.bad[d]; !bad {
				return nil
			}
			if of[d] == nil {
				of[d] = &users{name: e.Name}
			}
			of[d].snapshots++
			return nil
		}); err != nil {
			return err
		}
	}
	for d, what := range c.bad {
		if u := of[d]; u != nil {
			c.damage(documentFile(hex.EncodeToString(d[:])), fmt.Errorf("%s (%s, in %s)", what, u.name, counted(u.snapshots, "snapshot")))
		}
	}
	return nil
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
