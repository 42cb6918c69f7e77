package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Header is the first line of a snapshot.
type Header struct {
	Vaultferry string    `json:"vaultferry"` // "snapshot"
	Format     int       `json:"format"`
	Repository string    `json:"repository"`
	Gateway    string    `json:"gateway"`
	Store      string    `json:"store"`
	Product    string    `json:"product"`
	By         string    `json:"by"`
	Begun      time.Time `json:"begun"`
	// Match is what was asked for: patterns of names, any of which fits.
	Match  []string          `json:"match,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Predecessor is the snapshot before it; empty of the first.
	Predecessor string `json:"predecessor,omitempty"`
}

// Entry is one secret of a snapshot.
type Entry struct {
	Name secret.Name `json:"name"`
	Read time.Time   `json:"read,omitzero"`
	// Unread is why the secret could not be read, as a kind of error. Nothing
	// else is said then.
	Unread   string `json:"unread,omitempty"`
	Document string `json:"document,omitempty"` // the name of the sealed document
	SHA256   string `json:"sha256,omitempty"`   // of it
	Size     int64  `json:"size,omitempty"`     // of it
	Versions int    `json:"versions,omitempty"`
	// Lacks is what the product did not show.
	Lacks []string `json:"lacks,omitempty"`
}

// End is the last line.
type End struct {
	End     bool                `json:"end"` // true
	Ended   time.Time           `json:"ended"`
	Count   int                 `json:"count"`
	Unread  int                 `json:"unread"`
	LeftOut []inventory.LeftOut `json:"left_out,omitempty"`
	// Lacking counts the secrets of which the product did not show all.
	Lacking   int    `json:"lacking,omitempty"`
	Root      string `json:"root"`
	Signature string `json:"signature,omitempty"`
}

// attested is what the signature signs.
type attested struct {
	Ended   time.Time           `json:"ended"`
	Count   int                 `json:"count"`
	Unread  int                 `json:"unread"`
	LeftOut []inventory.LeftOut `json:"left_out,omitempty"`
	Lacking int                 `json:"lacking,omitempty"`
	Root    string              `json:"root"`
}

func (e *End) attested() attested {
	return attested{e.Ended, e.Count, e.Unread, e.LeftOut, e.Lacking, e.Root}
}

// Snapshot is a snapshot without its secrets.
type Snapshot struct {
	ID string
	Header
	End End
}

// Whole reports whether all that was asked for is in it.
func (s *Snapshot) Whole() bool { return s.End.Unread+s.End.Lacking+len(s.End.LeftOut) == 0 }

// AsAsked reports whether it holds all that was asked for, less what the product did
// not show and somebody agreed to go without.
func (s *Snapshot) AsAsked() bool { return s.End.Unread+len(s.End.LeftOut) == 0 }

// documentOf is what a file's name in the folders of documents names.
func documentOf(name string) (document [sha256.Size]byte, ok bool) {
	if !digest.MatchString(name) {
		return document, false
	}
	_, err := hex.Decode(document[:], []byte(name))
	return document, err == nil
}

func folderOf(document string) string { return dirDocuments + "/" + document[:2] }

func documentFile(document string) string { return folderOf(document) + "/" + document }
