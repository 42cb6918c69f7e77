package audit

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

// TestProof: each line under a checkpoint is proved, offline, and nothing else
// is.
func TestProof(t *testing.T) {
	t.Parallel()
	s := newSample(t, newKey(t))
	for i := range s.kept.Size {
		for _, kept := range []*Signed{nil, s.kept} {
			p, err := Prove(s.files, uint64(i+1), kept)
			if err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			read, err := ParseProof(p.Text())
			must(t, err)
			if !bytes.Equal(read.Line, s.lines[i]) || read.Index != i {
				t.Fatalf("line %d is proved as %d: %s", i+1, read.Index, read.Line)
			}
			if err := read.Check(s.keys); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			read.Line = s.lines[(i+1)%s.kept.Size]
			if read.Check(s.keys) == nil {
				t.Fatal("another line is proved")
			}
			if p.Check([]crypto.PublicKey{newKey(t).Public()}) == nil {
				t.Fatal("it is good under another key")
			}
		}
	}
	p, err := Prove(s.files[2:], uint64(len(s.lines)-2), nil)
	must(t, err)
	must(t, p.Check(s.keys))
	if _, err := Prove(s.files, uint64(len(s.lines)), nil); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("said %v", err)
	}
	if _, err := Prove(s.files, 1000, nil); !errors.Is(err, ErrNoLine) {
		t.Errorf("said %v", err)
	}
}

// TestTheProofIsSmall, also of a line among a million.
func TestTheProofIsSmall(t *testing.T) {
	t.Parallel()
	const lines = 1 << 20
	at := firstLink()
	at.tree = treeOf(&at, nil).tree
	for range lines {
		at.follow([]byte("x"))
	}
	text, err := checkpointNote(originOf(strings.Repeat("ab", 16), at.log), at.tree, newKey(t))
	must(t, err)
	cp, err := ParseCheckpoint(text)
	must(t, err)
	p := &Proof{Line: []byte("x"), Index: lines - 1, Checkpoint: cp}
	for range 20 {
		p.Hashes = append(p.Hashes, cp.Root)
	}
	if n := len(p.Text()); n > 2000 {
		t.Errorf("%d bytes", n)
	}
}

func FuzzParseProof(f *testing.F) {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	at := firstLink()
	at.tree = treeOf(&at, nil).tree
	at.follow([]byte("x"))
	text, _ := checkpointNote(originOf("g", at.log), at.tree, key)
	cp, _ := ParseCheckpoint(text)
	f.Add((&Proof{Line: []byte("x"), Checkpoint: cp}).Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProof(text)
		if err != nil {
			return
		}
		_ = p.Check([]crypto.PublicKey{key.Public()})
		if again, err := ParseProof(p.Text()); err != nil || again.Index != p.Index {
			t.Fatalf("does not read again: %v", err)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("vaultferry/g/0123\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseCheckpoint(text)
		if err != nil {
			return
		}
		if s.Verify(nil) == nil {
			t.Fatal("verified without a key")
		}
	})
}
