package examples

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// TestPaths does what a stranger does: each path in an empty folder, with an empty
// HOME.
func TestPaths(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("paths/*.txt")
	if err != nil || len(files) != len(arrivals) {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			need(t, "curl")
			steps := readPath(t, file)
			s := newStranger(t)
			for _, st := range steps {
				s.do(st)
			}
			arrived := arrivals[filepath.Base(file)]
			if arrived == nil {
				t.Fatal("nobody says where it leads")
			}
			arrived(t, s)
		})
	}
}

// arrivals say of each path whether the stranger is there.
var arrivals = map[string]func(*testing.T, *stranger){
	"first-secret.txt": func(t *testing.T, s *stranger) {
		s.heard(`"value":"hello","id":"https://a.vault.localhost:`, `"secret_string":"hello"`)
		s.sh(`sed 's/.*"value":"//; s/".*//' > blob <<'EOF'` + "\n" + s.answered.String() + "\nEOF\nvaultferry inspect blob --keyring vault/keyring.json")
		s.heard("from:         greeting in store a")
	},
	"durable-gateway.txt": func(t *testing.T, s *stranger) {
		s.answers(`"value":"hello","id":"https://main.vault.localhost:`)
		s.sh("vaultferry get main db-pass-old")
		s.answers("hello")
	},
	"second-caller.txt": func(t *testing.T, s *stranger) {
		s.answers(`"value":"hello","id":"https://main.vault.localhost:`)
		for name, code := range map[string]string{"app-key": "200", "db-pass": "403"} {
			s.sh(s.here(`curl -sS --cacert ca.pem -H "Authorization: Bearer $(cat app.token)" -o /dev/null -w '%{http_code}' https://main.vault.localhost:8443/secrets/` + name + `?api-version=7.4`))
			s.answers(code)
		}
	},
	"certificate.txt": func(t *testing.T, s *stranger) {
		s.answers(`"value":"hello"`) // to a client that trusts what it trusted before
		s.heard("changed  certificates", "left ")
		s.shows("cert.pem")
	},
	"lost-machine.txt": func(t *testing.T, s *stranger) {
		if _, err := os.Stat(filepath.Join(s.root, "machine1")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the first machine is there: %v", err)
		}
		s.sh("vaultferry get main db-pass && vaultferry get main db-pass-old")
		s.answers("hellohello")
	},
}

// TestPathsAreWhole: the parts of pages that paths are about have no line that no path
// takes.
func TestPathsAreWhole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("paths/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	taken := ""
	for _, file := range files {
		taken += read(t, file)
	}
	for page, title := range map[string]string{
		"README.md": "", "docs/policy.md": "Add a caller", "docs/certificates.md": "Renew the certificate", "docs/recovery.md": "A lost machine",
	} {
		blocks := 0
		for _, b := range pages.Blocks(read(t, filepath.Join("..", page))) {
			if b.Title == installing || title != "" && b.Title != title {
				continue
			}
			blocks++
			for line := range strings.Lines(b.Text) {
				if !strings.Contains("\n"+taken, "\n"+line) {
					t.Errorf("%s: no path takes %q", page, line)
				}
			}
		}
		if blocks < 1 {
			t.Errorf("%s has no block under %q", page, title)
		}
	}
}

// installing is the part of the README whose lines need a release: the tests of releases
// install what they name.
const installing = "Install"

// step is one line of a path, or several that a backslash joins.
type step struct {
	do   string
	kind string // of the block in which the page has it
}

// What a path does beside its lines of pages.
const (
	stop    = "# Ctrl-C"
	another = "# another machine"
)

var pageLine = regexp.MustCompile(`^# (\S+\.md)$`)

// readPath returns the steps of a path. It fails where a line is not the page's own, to
// the letter and in its order.
func readPath(t *testing.T, file string) []step {
	t.Helper()
	var steps []step
	var rest []pages.Block // of the page, behind the last line
	joined := false
	for line := range strings.Lines(read(t, file)) {
		line = strings.TrimSuffix(line, "\n")
		if m := pageLine.FindStringSubmatch(line); m != nil {
			rest = pages.Blocks(read(t, filepath.Join("..", m[1])))
			continue
		}
		if line == stop || line == another {
			steps = append(steps, step{do: line})
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var kind string
		if kind, rest = behind(rest, line); rest == nil {
			t.Fatalf("%s: no page has, here, the line %q", file, line)
		}
		if joined {
			steps[len(steps)-1].do += "\n" + line
		} else {
			steps = append(steps, step{line, kind})
		}
		joined = strings.HasSuffix(line, `\`)
	}
	return steps
}

// behind is what of the blocks follows the line, and the kind of its block. There is
// nothing where none has it.
func behind(blocks []pages.Block, line string) (kind string, rest []pages.Block) {
	for i, b := range blocks {
		if _, after, ok := strings.Cut("\n"+b.Text, "\n"+line+"\n"); ok {
			b.Text = after
			return b.Kind, append([]pages.Block{b}, blocks[i+1:]...)
		}
	}
	return "", nil
}
