package witness

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// sizeType is of an answer that says which size the witness remembers.
const sizeType = "text/x.tlog.size"

// Op is what the audit calls a request to a witness.
const Op = "witness.AddCheckpoint"

// Options make a Server. All fields but the last two are needed.
type Options struct {
	Gateway string             // its id
	Signer  crypto.Signer      // of type EdDSA
	Keys    []crypto.PublicKey // of the gateways whose audits it signs
	File    string             // remembers what was signed
	Now     func() time.Time
	Refused func(reason string)                    // hears of each checkpoint by a known key that is not signed
	Reject  func(r *wire.Request, err error) error // writes the audit line of a refusal; default: none
	Limits  *wire.Limits                           // of the gateway; default: of this witness alone
}

// Server signs the checkpoints of other gateways.
type Server struct {
	o      Options
	mu     sync.Mutex
	seen   map[string]seen      // by origin
	signed map[string]time.Time // by origin, since the start

	refused                   map[string]string // by origin: why the last one was not signed
	signedCount, refusedCount int64
}

// seen is the last checkpoint of a log that was signed.
type seen struct {
	Size int64  `json:"size"`
	Root string `json:"root"` // base64
}

// maxLogs bounds what one file remembers: whoever holds a known key can begin
// as many logs as he likes.
const maxLogs = 1000

// NewServer reads what it signed before.
func NewServer(o Options) (*Server, error) {
	if !CanSign(o.Signer) {
		return nil, errors.New("a witness signs with a key of type EdDSA")
	}
	s := &Server{o: o, seen: map[string]seen{}, signed: map[string]time.Time{}, refused: map[string]string{}}
	text, err := os.ReadFile(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.seen)
	}
	if err != nil {
		return nil, fmt.Errorf("the witness's memory %s: %w", o.File, err)
	}
	return s, nil
}

// CanSign reports whether a key is of the type that a witness signs with: EdDSA.
func CanSign(by crypto.Signer) bool {
	_, ok := by.Public().(ed25519.PublicKey)
	return ok
}

// UseSigner signs with another key from now on, which CanSign.
func (s *Server) UseSigner(by crypto.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Signer = by
}

// Name is that of a dialect.
func (s *Server) Name() string { return "witness" }

// Mount adds the route.
func (s *Server) Mount(r *mux.Router) {
	wire.Mount(r.Path(Path).Subrouter(), edge{s}, []wire.Route{
		{Op: Op, Method: http.MethodPost, Path: Path, MaxBody: maxBody, Handle: s.handle},
	}, s.o.Limits)
}

// handle knows the sender by what he signed.
func (s *Server) handle(r *wire.Request) (wire.Reply, error) {
	body, err := r.Body()
	if err != nil {
		return wire.Reply{}, err
	}
	q, err := parseRequest(string(body))
	if err != nil {
		return wire.Reply{}, refuse(secret.Invalid, http.StatusBadRequest, err.Error())
	}
	if q.checkpoint.Verify(s.o.Keys) != nil {
		return wire.Reply{}, refuse(secret.Unauthenticated, http.StatusForbidden, "no known key signed the checkpoint")
	}
	r.Caller.ID = q.checkpoint.Origin
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.add(q)
	s.tell(q.checkpoint.Origin, answer.Status, err)
	return answer, err
}

// add signs a checkpoint that is good, once it is remembered.
func (s *Server) add(q *request) (wire.Reply, error) {
	c := q.checkpoint
	before, known := s.seen[c.Origin]
	root := base64.StdEncoding.EncodeToString(c.Root[:])
	switch {
	case q.old > c.Size:
		return wire.Reply{}, refuse(secret.Invalid, http.StatusBadRequest, "the old size is larger than the new one")
	case q.old != before.Size:
		return reply(http.StatusConflict, sizeType, strconv.FormatInt(before.Size, 10)+"\n"), nil
	case q.old == c.Size && known && root != before.Root:
		return wire.Reply{}, refuse(secret.Conflict, http.StatusConflict, "another checkpoint of this size was signed before: the log was forked")
	case !known && len(s.seen) >= maxLogs:
		return wire.Reply{}, refuse(secret.Denied, http.StatusForbidden, "too many logs")
	}
	if known && q.old > 0 {
		old, err := base64.StdEncoding.DecodeString(before.Root)
		if err != nil || len(old) != len(merkle.Hash{}) || merkle.CheckPrefix(q.proof, q.old, merkle.Hash(old), c.Size, c.Root) != nil {
			return wire.Reply{}, refuse(secret.Conflict, http.StatusUnprocessableEntity, "the log does not begin with what was signed before: it was changed")
		}
	}
	text, err := textOf(c.Text)
	if err == nil {
		s.seen[c.Origin] = seen{c.Size, root}
		err = s.remember()
	}
	line := ""
	if err == nil {
		line, err = cosign(Name(s.o.Gateway), s.o.Signer, text, s.o.Now())
	}
	if err != nil {
		if known {
			s.seen[c.Origin] = before
		} else {
			delete(s.seen, c.Origin)
		}
		return wire.Reply{}, refuse(secret.Internal, http.StatusInternalServerError, "the witness cannot remember this")
	}
	return reply(http.StatusOK, plainText, line), nil
}

// remember writes the file, whole or not at all.
func (s *Server) remember() error {
	text, err := json.MarshalIndent(s.seen, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.o.File), ".vaultferry-witness-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.o.File)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// request is what a log sends.
type request struct {
	old        int64
	proof      []merkle.Hash
	checkpoint *audit.Signed
}

func parseRequest(body string) (*request, error) {
	head, text, ok := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	size, isOld := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(size, 10, 64)
	if !ok || !isOld || err != nil || old < 0 || len(lines) > 64 {
		return nil, errors.New("not a request to a witness: old SIZE, the proof, an empty line, the checkpoint")
	}
	q := &request{old: old}
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != len(merkle.Hash{}) {
			return nil, errors.New("the proof holds something else than hashes")
		}
		q.proof = append(q.proof, merkle.Hash(h))
	}
	q.checkpoint, err = audit.ParseCheckpoint(text)
	return q, err
}
