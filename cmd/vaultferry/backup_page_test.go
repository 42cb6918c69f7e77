package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// TestBackupPages does what docs/backup.md and docs/recovery.md tell, line by line, in
// the order of the pages, with what was lost before each part. A repository is copied
// last, with the key that is left then. What a lost machine needs is a path of
// examples/paths, on two machines.
func TestBackupPages(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	p := &page{t: t, dir: t.TempDir()}
	stores := ""
	for _, name := range []string{"payments", "web", "cloud"} {
		stores += "  - { name: " + name + ", backend: bolt, bolt: { path: " + name + ".db } }\n"
	}
	w := &killWorld{dir: p.dir}
	w.file(t, "vaultferry.yaml", commonConfig+stores)
	p.sh(`mkdir backup mnt metrics
vaultferry keys new --output-file keyring.json
printf canary | vaultferry set payments db-password
printf canary | vaultferry set payments team-a/key
printf canary | vaultferry set web team-a/key`)
	before := map[string]string{
		"A lost secret": `rm payments.db; printf other | vaultferry set payments team-a/key`,
		"A lost store":  `rm payments.db`,
	}
	blocks := 0
	docs := documents(t)
	making, copying, ok := strings.Cut(docs["docs/backup.md"], "\n## Move or copy a repository\n")
	if !ok || strings.Contains(copying, "\n## ") {
		t.Fatal("the page does not end with copies of a repository")
	}
	for part := range strings.SplitSeq(making+"\n"+docs["docs/recovery.md"]+"\n## Copies\n"+copying, "\n## ") {
		title, text, _ := strings.Cut(part, "\n")
		if title == "A lost machine" {
			continue
		}
		if do, ok := before[title]; ok {
			p.sh(do)
			delete(before, title)
		}
		for _, block := range pages.Blocks(text) {
			if strings.Contains(block.Text, "rescue.json") {
				p.sh(`mv keyring.json lost.json`)
			}
			p.sh(block.Text)
			blocks++
			if strings.Contains(block.Text, "snapshot create") {
				p.last = strings.TrimSpace(p.sh(`vaultferry snapshot list --repo /backup/vaults --store payments --output json | jq -r '.[-1].snapshot[:12]'`))
				p.moment = time.Now().UTC().Format(time.RFC3339Nano)
			}
		}
	}
	if len(before) > 0 || blocks < 9 {
		t.Errorf("the pages have %d blocks, and not the parts %v", blocks, before)
	}
	if got := p.sh(`vaultferry get payments db-password; vaultferry get payments team-a/key; vaultferry get web team-a/key`); got != strings.Repeat("canary", 3) {
		t.Errorf("at the end it holds %q", got)
	}
	w.findCanariesIn(t, "backup")
	w.findCanariesIn(t, "mnt")
}

// page is where the lines of a page run.
type page struct {
	t            *testing.T
	dir          string
	last, moment string // the snapshot and the time that the page names
}

// sh runs lines of the page, with this machine's folders, and returns what they say.
func (p *page) sh(lines string) string {
	p.t.Helper()
	lines = strings.NewReplacer(
		"/backup/", filepath.Join(p.dir, "backup")+"/", "/mnt/", filepath.Join(p.dir, "mnt")+"/", "/var/lib/node_exporter", filepath.Join(p.dir, "metrics"),
		"3f1c02aa9b7e", p.last, "2026-11-29T03:00:00Z", p.moment,
		"(now | todate)", "(now + 60 | todate)", // what was signed in this second was signed before
	).Replace(lines)
	cmd := exec.CommandContext(p.t.Context(), "sh", "-euc", lines)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "VAULTFERRY_CONFIG="+filepath.Join(p.dir, "vaultferry.yaml"))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: %v: %s%s", lines, err, out, said.String())
	}
	return string(out)
}
