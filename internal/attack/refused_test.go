package attack

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRefusalsWait: whoever is refused again and again is answered slowly, and
// costs no memory and hardly any audit. Who proves himself does not wait, at the
// same address either.
func TestRefusalsWait(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	memory, began := x.memory(t), time.Now()
	stop := x.flood(t, "requests", -1)
	client := x.from(t, honest)
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); {
		if code, body := do(t, client, x.azure(t, "GET", "/secrets/beforetrue", appToken, http.NoBody)); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	x.serves(t, hostile, "behind-the-same-address")
	x.costs(t, memory, mayHold)
	refused, took := stop(), time.Since(began)
	if most := 600 + 110*took.Seconds(); float64(refused) > most {
		t.Errorf("%d refusals in %v, want at most %.0f", refused, took, most)
	}
	text, err := os.ReadFile(filepath.Join(x.dir, "audit.jsonl"))
	must(t, err)
	if n := bytes.Count(text, []byte(`"address":"`+hostile+`"`)); n > 30 { // ten a minute, and what was answered
		t.Errorf("%d lines of audit", n)
	}
}
