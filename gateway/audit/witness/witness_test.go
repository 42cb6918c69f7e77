package witness

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/audit"
)

var (
	loggerID  = strings.Repeat("ab", 16)
	witnessID = strings.Repeat("cd", 16)
)

// pair is a gateway whose audit another one signs.
type pair struct {
	logger, witness ed25519.PrivateKey
	memory          string // of the witness
	path            string // of the audit
	url             string
	handler         atomic.Pointer[Server]
	refused         atomic.Pointer[string]
	rejected        atomic.Int64
	http            *http.Client
	now             time.Time
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{memory: filepath.Join(t.TempDir(), "witness.json"), path: filepath.Join(t.TempDir(), "audit.jsonl"), now: time.Now()}
	var err error
	if _, p.logger, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, p.witness, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	p.startWitness(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		router := mux.NewRouter()
		p.handler.Load().Mount(router)
		router.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url, p.http = server.URL, server.Client()
	return p
}

func (p *pair) startWitness(t *testing.T) {
	t.Helper()
	s, err := NewServer(Options{
		Gateway: witnessID, Signer: p.witness, Keys: []crypto.PublicKey{p.logger.Public()}, File: p.memory, Now: time.Now,
		Refused: func(why string) { p.refused.Store(&why) },
		Reject:  func(*wire.Request, error) error { p.rejected.Add(1); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.handler.Store(s)
}

func (p *pair) client() *Client {
	return &Client{URL: p.url, Name: Name(witnessID), Keys: []crypto.PublicKey{p.witness.Public()}, HTTP: p.http, Now: func() time.Time { return p.now }}
}

// open is the gateway's audit, from its start on.
func (p *pair) open(t *testing.T) *audit.Log {
	t.Helper()
	l, err := audit.OpenWith(p.path, audit.Options{
		Gateway: loggerID, Signer: p.logger, Cosign: Group{p.client()}.Cosign, Now: func() time.Time { return p.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// minute is lines, and the checkpoint behind them.
func (p *pair) minute(t *testing.T, l *audit.Log) error {
	t.Helper()
	for range 7 {
		if err := l.Write(audit.Entry{Op: "o"}, false); err != nil {
			t.Fatal(err)
		}
	}
	p.now = p.now.Add(time.Minute)
	return l.Tick()
}

func (p *pair) cosigned(t *testing.T) error {
	t.Helper()
	text, err := os.ReadFile(audit.CheckpointFile(p.path))
	if err != nil {
		t.Fatal(err)
	}
	s, err := audit.ParseCheckpoint(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify([]crypto.PublicKey{p.logger.Public()}); err != nil {
		t.Fatal(err)
	}
	return Verify(string(text), Name(witnessID), []crypto.PublicKey{p.witness.Public()})
}

// TestCosigned: each checkpoint is signed by the witness too, across rotations
// and restarts of both.
func TestCosigned(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	for i := range 8 {
		if err := p.minute(t, l); err != nil {
			t.Fatalf("minute %d: %v", i, err)
		}
		if err := p.cosigned(t); err != nil {
			t.Fatalf("minute %d: %v", i, err)
		}
		switch i {
		case 2:
			p.startWitness(t)
		case 3, 5:
			if _, err := l.Rotate("asked for"); err != nil {
				t.Fatal(err)
			}
		case 4:
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = p.open(t)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := audit.Files(p.path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(files, audit.Verification{Keys: []crypto.PublicKey{p.logger.Public()}})
	if err != nil || len(r.Problems) > 0 || len(files) != 3 {
		t.Errorf("%d files, %+v (%v)", len(files), r, err)
	}
	if why := p.refused.Load(); why != nil {
		t.Errorf("refused: %s", *why)
	}
}

// TestAnIdleLogIsQuiet: what the witness signed is no news.
func TestAnIdleLogIsQuiet(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(p.path)
	for range 3 {
		p.now = p.now.Add(time.Minute)
		if err := l.Tick(); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := os.ReadFile(p.path); len(after) != len(before) {
		t.Errorf("it wrote %s", after[len(before):])
	}
	if err := p.cosigned(t); err != nil {
		t.Error(err)
	}
}

// TestAWitnessRefuses what was cut, or written anew, and whoever it does not
// know. The gateway serves on, and says so; lines that are gone, once in the audit.
func TestAWitnessRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do      func(t *testing.T, p *pair)
		said    string
		damaged int64
	}{
		"cut":             {func(t *testing.T, p *pair) { cutTo(t, p.path, 3) }, "so it was cut", 1},
		"another history": {func(t *testing.T, p *pair) { changeLine(t, p.path) }, "here are others", 1},
		"a stranger":      {func(_ *testing.T, p *pair) { _, p.logger, _ = ed25519.GenerateKey(rand.Reader) }, "403", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			l := p.open(t)
			for range 3 {
				if err := p.minute(t, l); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.do(t, p)
			if err := os.Remove(audit.CheckpointFile(p.path)); err != nil { // nobody but the witness knows
				t.Fatal(err)
			}
			l = p.open(t)
			_ = p.minute(t, l)
			err := p.minute(t, l)
			if err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("said %v", err)
			}
			text, readErr := os.ReadFile(p.path)
			lines := strings.Count(string(text), `"op":"audit.damage"`)
			if readErr != nil || l.State().Damaged != c.damaged || int64(lines) != c.damaged {
				t.Errorf("damage is told %d times, and in %d lines: %v", l.State().Damaged, lines, readErr)
			}
			if l.Healthy() != nil || p.cosigned(t) == nil {
				t.Error("the gateway does not serve on, or the checkpoint is signed")
			}
		})
	}
}

func cutTo(t *testing.T, path string, lines int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(strings.SplitAfter(string(text), "\n")[:lines], "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// changeLine writes the log anew with another second line, and the same number
// of lines. The gateway reads its tree of the lines.
func changeLine(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines[1] = strings.Replace(lines[1], `"op":"o"`, `"op":"p"`, 1)
	var kept []string
	for _, line := range lines {
		if !strings.Contains(line, `"tree":{`) {
			kept = append(kept, line)
		}
	}
	for len(kept) < len(lines)+4 {
		kept = append(kept[:len(kept)-1], kept[2], "")
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAFork: of two logs that begin alike a witness signs one.
func TestAFork(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	common, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	fork := &pair{logger: p.logger, witness: p.witness, url: p.url, http: p.http, now: p.now.Add(time.Hour), path: filepath.Join(t.TempDir(), "audit.jsonl")}
	if err := os.WriteFile(fork.path, common, 0o600); err != nil {
		t.Fatal(err)
	}
	one, other := p.open(t), fork.open(t)
	if err := p.minute(t, one); err != nil {
		t.Fatal(err)
	}
	if err := fork.minute(t, other); !errors.Is(err, audit.ErrRewritten) {
		t.Errorf("the other one: %v", err)
	}
}

// TestAWitnessWithoutMemory signs nothing that it would forget, and goes on from what it
// remembers.
func TestAWitnessWithoutMemory(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := p.open(t)
	if err := p.minute(t, l); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(p.memory)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := p.minute(t, l); err == nil || p.cosigned(t) == nil {
		t.Errorf("a checkpoint is signed that nobody remembers: %v", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.minute(t, l), p.cosigned(t)); err != nil {
		t.Error(err)
	}
}

// TestStrangersFillNoLog: what strangers send is refused as any request of
// theirs, with a line of the audit and none of the log.
func TestStrangersFillNoLog(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, c := range []struct {
		method, body string
		want         int
	}{
		{http.MethodPost, "nonsense", http.StatusBadRequest},
		{http.MethodPost, strings.Repeat("x", maxBody+1), http.StatusBadRequest},
		{http.MethodPost, "old 0\n\nvaultferry/g/0123\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x AAAAAAAA\n", http.StatusForbidden},
		{http.MethodGet, "", http.StatusMethodNotAllowed},
	} {
		before := p.rejected.Load()
		r, err := http.NewRequestWithContext(t.Context(), c.method, p.url+Path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want || p.rejected.Load() != before+1 {
			t.Errorf("%s %.20q: %d, want %d, and %d lines", c.method, c.body, resp.StatusCode, c.want, p.rejected.Load()-before)
		}
	}
	if why := p.refused.Load(); why != nil {
		t.Errorf("the log says %s", *why)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nvaultferry/g/0123\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x AAAA\n")
	f.Fuzz(func(t *testing.T, body string) {
		q, err := parseRequest(body)
		if err == nil && (q.checkpoint == nil || q.old < 0) {
			t.Fatal("half a request is taken for one")
		}
	})
}
