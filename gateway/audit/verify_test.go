package audit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sample is a log of three files, and what somebody kept of it.
type sample struct {
	files []string
	lines [][]byte // of all files
	ends  []int    // of each file, as numbers of lines
	keys  []crypto.PublicKey
	first *Signed // checkpoint, of lines in the first file
	kept  *Signed // the last one: it covers all lines but itself
}

func newSample(t *testing.T, by crypto.Signer) *sample {
	t.Helper()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := OpenWith(path, Options{Gateway: strings.Repeat("ab", 16), Signer: by, Now: func() time.Time { return now }})
	must(t, err)
	s := &sample{keys: []crypto.PublicKey{by.Public()}}
	for i := range 30 {
		now = now.Add(7 * time.Second)
		must(t, l.Write(Entry{Phase: Outcome, Op: "azure.GetSecret", Caller: "app", Name: fmt.Sprint("n", i), RequestID: fmt.Sprint("r", i), Result: OK}, false))
		must(t, l.Tick())
		if i%10 == 9 {
			old, err := l.Rotate("asked for")
			must(t, err)
			s.files = append(s.files, old)
		}
	}
	must(t, l.Write(Entry{Op: "o"}, false))
	must(t, l.Close())
	s.files = append(s.files, path)
	for _, f := range s.files {
		text, err := os.ReadFile(f)
		must(t, err)
		for line := range bytes.Lines(text) {
			s.lines = append(s.lines, bytes.TrimSuffix(line, []byte("\n")))
		}
		s.ends = append(s.ends, len(s.lines))
	}
	text, err := os.ReadFile(CheckpointFile(path))
	must(t, err)
	s.kept, err = ParseCheckpoint(string(text))
	must(t, err)
	if s.kept.Size != int64(len(s.lines)-1) {
		t.Fatalf("the last checkpoint is of %d lines of %d", s.kept.Size, len(s.lines))
	}
	for _, line := range s.lines {
		if e, err := Parse(line); err == nil && e.Op == OpCheckpoint && s.first == nil {
			s.first, err = ParseCheckpoint(e.Checkpoint.Note)
			must(t, err)
		}
	}
	return s
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

// write puts the lines where the files were, as many in each as before.
func (s *sample) write(t fataler, dir string, lines [][]byte) []string {
	var files []string
	from := 0
	for i, end := range s.ends {
		if i == len(s.ends)-1 {
			end = len(lines)
		}
		end = min(end, len(lines))
		if from == end && i > 0 {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("f%d", i))
		text := append(bytes.Join(lines[from:end], []byte("\n")), '\n')
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
		from = end
	}
	return files
}

type fataler interface{ Fatal(args ...any) }

// rechain is what somebody can do who may write the files and has no key: the
// chain, and the trees in the lines, fit again.
func rechain(t fataler, lines [][]byte) [][]byte {
	at := firstLink()
	at.tree = treeOf(&at, nil).tree
	var out [][]byte
	for _, line := range lines {
		e, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		e.Seq = at.seq + 1
		if e.Tree != nil {
			e.Tree = at.state()
		}
		text := appendBody(appendHead(nil, &at, e.Time), &e)
		text = text[:len(text)-1]
		at.follow(text)
		out = append(out, text)
	}
	return out
}

func verified(t fataler, files []string, v Verification) *Report {
	r, err := Verify(files, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWhole: what nobody touched is whole, under keys of both kinds.
func TestWhole(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for _, by := range []crypto.Signer{newKey(t), p256} {
		s := newSample(t, by)
		r := verified(t, s.files, Verification{Keys: s.keys, Kept: []*Signed{s.first, s.kept}})
		if len(r.Problems) > 0 || len(r.Notes) > 0 || !r.Signatures || r.Checkpoints < 5 || r.First != 1 || r.Last != uint64(len(s.lines)) || r.Covered != s.kept.Size {
			t.Errorf("%+v", r)
		}
		files, err := Files(s.files[len(s.files)-1])
		must(t, err)
		shuffled, err := InOrder([]string{s.files[2], s.files[0], s.files[3], s.files[1]})
		must(t, err)
		if !slices.Equal(files, s.files) || !slices.Equal(shuffled, s.files) {
			t.Errorf("the files are %q and %q", files, shuffled)
		}
		r = verified(t, s.files[1:], Verification{Keys: s.keys, Kept: []*Signed{s.kept}})
		if len(r.Problems) > 0 || len(r.Notes) != 1 || r.Covered != s.kept.Size {
			t.Errorf("without the first file: %+v", r)
		}
		r = verified(t, s.files[1:], Verification{Keys: s.keys, Kept: []*Signed{s.first}})
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "older than the first line") {
			t.Errorf("a checkpoint from before: %+v", r.Problems)
		}
		if r = verified(t, s.files, Verification{Keys: []crypto.PublicKey{newKey(t).Public()}, Kept: []*Signed{s.kept}}); len(r.Problems) < 5 {
			t.Errorf("under another key: %+v", r.Problems)
		}
	}
}

// mutation is what somebody did to the lines. By is what must find it.
type mutation struct {
	name  string
	do    func(t *rapid.T, s *sample) (lines [][]byte, touched int)
	found func(s *sample, v *Verification, touched int) bool // else it may go unseen
}

func always(*sample, *Verification, int) bool { return true }

// covered: the line is under a checkpoint that is verified.
func covered(s *sample, v *Verification, touched int) bool {
	return len(v.Kept) > 0 && touched < int(s.kept.Size)
}

// TestEveryMutationIsFound by what should find it.
func TestEveryMutationIsFound(t *testing.T) {
	t.Parallel()
	s := newSample(t, newKey(t))
	dir := t.TempDir()
	pick := func(t *rapid.T, s *sample) int { return rapid.IntRange(0, int(s.kept.Size)-1).Draw(t, "line") }
	for _, m := range []mutation{
		{"change", func(t *rapid.T, s *sample) ([][]byte, int) {
			lines, i := slices.Clone(s.lines), pick(t, s)
			b := bytes.Clone(lines[i])
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			b[at] ^= rapid.SampledFrom([]byte{1, 2, 4, 16, 32}).Draw(t, "bit")
			if b[at] == '\n' {
				b[at] = 'x'
			}
			lines[i] = b
			return lines, i
		}, always},
		{"remove", func(t *rapid.T, s *sample) ([][]byte, int) {
			i := pick(t, s)
			return slices.Delete(slices.Clone(s.lines), i, i+1), i
		}, always},
		{"insert", func(t *rapid.T, s *sample) ([][]byte, int) {
			i := pick(t, s)
			text := rapid.OneOf(rapid.SampledFrom(s.lines), rapid.SampledFrom([][]byte{nil, []byte("x"), []byte("{}"), []byte(`{"v":1,"chain":"ab`)})).Draw(t, "text")
			return slices.Insert(slices.Clone(s.lines), i, text), i
		}, always},
		{"swap", func(t *rapid.T, s *sample) ([][]byte, int) {
			lines, i, j := slices.Clone(s.lines), pick(t, s), pick(t, s)
			if i == j {
				j = (i + 1) % int(s.kept.Size)
			}
			lines[i], lines[j] = lines[j], lines[i]
			return lines, min(i, j)
		}, always},
		{"cut", func(t *rapid.T, s *sample) ([][]byte, int) {
			i := max(1, pick(t, s))
			return s.lines[:i], i
		}, covered},
		{"fork", func(t *rapid.T, s *sample) ([][]byte, int) { // another end, chained
			i := max(1, pick(t, s))
			lines := slices.Clone(s.lines[:i])
			for range rapid.IntRange(1, 50).Draw(t, "more") {
				lines = append(lines, s.lines[0])
			}
			return rechain(t, lines), i
		}, covered},
		{"rewrite", func(t *rapid.T, s *sample) ([][]byte, int) { // all of it, chained again
			lines, i := slices.Clone(s.lines), pick(t, s)
			lines[i] = bytes.ReplaceAll(lines[i], []byte(`"caller":"`), []byte(`"caller":"not `))
			if rapid.Bool().Draw(t, "without checkpoints") {
				lines = slices.DeleteFunc(lines, func(l []byte) bool { return bytes.Contains(l, []byte(`"checkpoint":{`)) })
				return rechain(t, lines), i
			}
			return rechain(t, lines), i
		}, covered},
	} {
		t.Run(m.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				lines, touched := m.do(t, s)
				v := Verification{Keys: s.keys}
				if rapid.Bool().Draw(t, "kept") {
					v.Kept = []*Signed{s.kept}
				}
				r := verified(t, s.write(t, dir, lines), v)
				if len(r.Problems) == 0 && m.found(s, &v, touched) {
					t.Fatalf("line %d: not found", touched+1)
				}
			})
		})
	}
}

// TestARewriteWithItsCheckpointsIsFound by the keys alone: whoever has none
// cannot sign what he wrote.
func TestARewriteWithItsCheckpointsIsFound(t *testing.T) {
	t.Parallel()
	s := newSample(t, newKey(t))
	lines := slices.Clone(s.lines)
	lines[3] = bytes.ReplaceAll(lines[3], []byte(`"caller":"app"`), []byte(`"caller":"x"`))
	r := verified(t, s.write(t, t.TempDir(), rechain(t, lines)), Verification{Keys: s.keys})
	if len(r.Problems) == 0 {
		t.Error("not found")
	}
}

// TestWhereItIsBroken: the report names the place.
func TestWhereItIsBroken(t *testing.T) {
	t.Parallel()
	s := newSample(t, newKey(t))
	lines := slices.Clone(s.lines)
	lines[4] = bytes.Replace(lines[4], []byte(`"result":"ok"`), []byte(`"result":"no"`), 1)
	r := verified(t, s.write(t, t.TempDir(), lines), Verification{})
	if p := r.Problems[0]; p.Number != 6 || p.Seq != 6 || !strings.HasSuffix(p.File, "f0") || !strings.Contains(p.What, "line 5 is not the one") {
		t.Errorf("%+v", p)
	}
	r = verified(t, s.write(t, t.TempDir(), slices.Delete(slices.Clone(s.lines), 4, 7)), Verification{})
	if p := r.Problems[0]; !strings.Contains(p.What, "lines 5 to 7 are missing") {
		t.Errorf("%+v", p)
	}
}

// TestTornAndGap are no problems, and are told.
func TestTornAndGap(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	tr := openTrial(t, path, "g")
	tr.write(t)
	must(t, tr.Close())
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(`{"v":1,"chain":"ab`)
	must(t, err)
	must(t, f.Close())
	r := verified(t, []string{path}, Verification{})
	if len(r.Problems) > 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
	again := openTrial(t, path, "g")
	again.failed(fmt.Errorf("no space"), 7)
	again.write(t)
	must(t, again.Close())
	r = verified(t, []string{path}, Verification{})
	if len(r.Problems) > 0 || len(r.Notes) != 2 || !strings.Contains(r.Notes[1].What, "7 lines could not be written") {
		t.Errorf("%+v", r)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if r = verified(t, []string{path}, Verification{}); len(r.Problems) > 0 || r.Last != 0 {
		t.Errorf("an empty file: %+v", r)
	}
}

// FuzzVerify reads files of anybody's.
func FuzzVerify(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Add(lineOf(Entry{V: 1, Seq: 9, Op: OpBegin, Tree: &TreeState{Size: 8, Hashes: []string{"x"}}, Checkpoint: &Checkpoint{Note: "x"}}))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Verify([]string{path}, Verification{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) > 0 {
			return
		}
		l, err := Open(path, time.Now) // what is whole can be gone on with
		if err != nil {
			if len(bytes.TrimSpace(text)) == 0 {
				return
			}
			t.Fatalf("%q is whole, and %v", text, err)
		}
		if err := l.Write(Entry{Op: "o"}, false); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
