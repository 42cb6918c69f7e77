package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
)

func sumOf(line []byte) [sha256.Size]byte { return sha256.Sum256(line) }

// Parse reads one line, without its newline. Keys that it does not know are of
// later releases.
func Parse(line []byte) (Entry, error) {
	var e Entry
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' {
		return e, errors.New("no JSON object")
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	if e.V != 1 || e.Seq == 0 {
		return e, errors.New("no audit line of format 1")
	}
	if _, err := hex.DecodeString(e.Chain); err != nil || len(e.Chain) != 2*sha256.Size {
		return e, errors.New("chain is not a SHA-256 in hex")
	}
	return e, nil
}
