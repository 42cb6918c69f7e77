package fleet

import (
	"bytes"
	"crypto"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/audit/witness"
)

func (g *process) audit() string { return filepath.Join(g.dir, "audit.jsonl") }

// audits wants each gateway's audit to be whole, cosigned by its neighbour, and the
// fleet's to tell of each call that a client was told to be done, once.
func (f *fleet) audits(t *testing.T, r *report) {
	t.Helper()
	files := make([]string, 0, len(f.gateways))
	for _, g := range f.gateways {
		must(t, g.again(sign)) // while its neighbour serves
	}
	for _, g := range f.gateways {
		g.kill()
		files = append(files, g.audit())
		f.cosigned(t, g)
	}
	if out, err := f.gateways[0].command(t.Context(), append([]string{"audit", "verify"}, files...)...).CombinedOutput(); err != nil || bytes.Count(out, []byte("\nwhole: ")) != len(files) {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
	out, err := f.gateways[0].command(t.Context(), append([]string{"audit", "query", "--output", "json"}, files...)...).Output()
	if err != nil {
		t.Fatalf("audit query: %v", err)
	}
	var all struct{ Lines []audit.Entry }
	must(t, json.Unmarshal(out, &all))
	intended, done := map[string]int{}, map[string][]audit.Entry{}
	for i := range all.Lines {
		switch e := &all.Lines[i]; {
		case e.Phase == audit.Intent:
			intended[e.RequestID]++
		case e.Result == audit.OK:
			done[e.RequestID] = append(done[e.RequestID], *e)
		}
	}
	for _, d := range r.told {
		lines, intents := done[d.request], 1
		if d.verb == doGet {
			intents = 0
		}
		if len(lines) != 1 || lines[0].Name != d.name || intended[d.request] != intents {
			t.Errorf("%s of %s is done, and the audits have %d lines of it behind %d intents", d.verb, d.name, len(lines), intended[d.request])
		}
	}
	if len(r.told) < r.acknowledged {
		t.Errorf("%d calls were done, fewer than the %d versions that are there", len(r.told), r.acknowledged)
	}
}

// cosigned wants a checkpoint of the gateway's in its audit that a witness signed.
func (f *fleet) cosigned(t *testing.T, g *process) {
	t.Helper()
	ring, err := backup.LoadKeyring(filepath.Join(f.dir, "keyring.json"))
	must(t, err)
	var keys []crypto.PublicKey
	for _, k := range ring.SigningKeys() {
		keys = append(keys, k.Public)
	}
	signed := 0
	must(t, audit.Scan([]string{g.audit()}, func(l audit.Line) error {
		e, err := audit.Parse(l.Raw)
		if err != nil || e.Op != audit.OpCosigned { // a line may be cut short
			return nil
		}
		signed++
		return witness.Verify(e.Checkpoint.Note, witness.Name(gatewayID), keys)
	}))
	if signed == 0 {
		t.Errorf("no neighbour signed a checkpoint of %s", g.dir)
	}
}

// TestFleetRollback: an audit that was put back to an older state, with all that lies
// beside it, is found by what the neighbour remembers.
func TestFleetRollback(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, "memory")
	g := f.gateways[0]
	must(t, g.again(sign))
	beside := []string{g.audit(), audit.CheckpointFile(g.audit())}
	var older [][]byte
	for _, file := range beside {
		b, err := os.ReadFile(file)
		must(t, err)
		older = append(older, b)
	}
	must(t, g.again(sign))
	g.kill()
	for i, file := range beside {
		must(t, os.WriteFile(file, older[i], 0o600))
	}
	if out, err := g.command(t.Context(), "audit", "verify").CombinedOutput(); err != nil {
		t.Fatalf("alone nobody can tell: %v\n%s", err, out)
	}
	must(t, g.again(damaged))
	must(t, g.says(notAsked)) // the line is written by then
	g.kill()
	out, err := g.command(t.Context(), "audit", "verify").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the gateway found the audit damaged: witness ") {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
}

// What a gateway says of its neighbour.
const (
	sign     = "audit: witnesses sign"
	damaged  = "THE AUDIT WAS DAMAGED: witness "
	notAsked = "level=ERROR msg=audit " // also behind the line of a damage
)

// again starts it anew, until it says the text: a busy neighbour may answer too late,
// and is asked at the next start.
func (g *process) again(text string) error {
	for range 10 {
		g.kill()
		if err := g.start(); err != nil {
			return err
		}
		select {
		case <-g.log.wait(text):
			return nil
		case <-g.log.wait(notAsked):
			if strings.Contains(g.log.String(), text) {
				return nil
			}
		case <-time.After(patienceToStart):
		}
	}
	return fmt.Errorf("the gateway does not say %q:\n%s", text, g.log)
}
