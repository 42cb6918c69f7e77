package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/rawsig"
	"github.com/vaultferry/vaultferry/secret"
)

// PayloadType is that of in-toto's statements in DSSE envelopes.
const PayloadType = "application/vnd.in-toto+json"

// MaxSize bounds a report, in bytes. One of a large estate has a few thousand.
const MaxSize = 1 << 20

// maxSignatures bounds the parties of one report.
const maxSignatures = 16

// Report is a statement and who signed it.
type Report struct {
	Statement *Statement

	payload    []byte // the statement as it is signed
	signatures []signature
}

// envelope is the file: compact, the members in this order, ended by a line feed.
// JSON has bytes in base64 of the standard alphabet, with padding.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"` // the kid of the JWK; nothing signs it
	Sig   []byte `json:"sig"`
}

// Sign returns the statement, signed by the keyring's key that signs. Kind:
// Unsupported, where none does.
func Sign(s *Statement, keys *backup.Keyring) (*Report, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	payload, err := s.encode()
	if err != nil {
		return nil, err
	}
	r := &Report{Statement: s, payload: payload}
	return r, r.sign(keys)
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@=+-]{0,127}$`) // as keyrings have them

// sign adds a signature by the keyring's key that signs.
func (r *Report) sign(keys *backup.Keyring) error {
	by, id, ok := keys.Signer()
	if !ok {
		return secret.Errorf(secret.Unsupported, "no key of the keyring signs: vaultferry keys new --add --type %s", backup.AlgEdDSA)
	}
	if r.signedBy(id) {
		return secret.Errorf(secret.AlreadyExists, "%s has signed this report already", id)
	}
	if len(r.signatures) == maxSignatures {
		return secret.Errorf(secret.TooLarge, "a report has %d signatures at most", maxSignatures)
	}
	sig, err := rawsig.Sign(by, pae(r.payload))
	if err != nil {
		return &secret.Error{Kind: secret.Internal, Op: "report.sign", Err: err}
	}
	r.signatures = append(r.signatures, signature{id, sig})
	return nil
}

func (r *Report) signedBy(id string) bool {
	return slices.ContainsFunc(r.signatures, func(s signature) bool { return s.KeyID == id })
}

// pae is what a signature signs: DSSE's pre-authentication encoding.
func pae(payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(PayloadType), PayloadType, len(payload)), payload...)
}

// Encode returns the file.
func (r *Report) Encode() ([]byte, error) {
	b, err := json.Marshal(envelope{r.payload, PayloadType, r.signatures})
	return append(b, '\n'), err
}

// Parse takes only what Encode returns, to the byte. It verifies nothing. Kind:
// Corrupt.
func Parse(b []byte) (*Report, error) {
	if len(b) > MaxSize {
		return nil, corrupt("the report is larger than %d bytes", MaxSize)
	}
	var e envelope
	line, ok := bytes.CutSuffix(b, []byte("\n"))
	switch {
	case !ok || jsonl.Decode(line, &e) != nil:
		return nil, corrupt("this is no report, or it was changed")
	case e.PayloadType != PayloadType:
		return nil, corrupt("the report's payload is not of the type %s", PayloadType)
	case len(e.Signatures) == 0 || len(e.Signatures) > maxSignatures:
		return nil, corrupt("the report has %d signatures; want 1 to %d", len(e.Signatures), maxSignatures)
	}
	r := &Report{Statement: new(Statement), payload: e.Payload}
	for _, s := range e.Signatures {
		if !keyID.MatchString(s.KeyID) || r.signedBy(s.KeyID) {
			return nil, corrupt("a signature of the report has no key's id, or that of another signature")
		}
		r.signatures = append(r.signatures, s)
	}
	err := jsonl.Decode(r.payload, r.Statement)
	if other := r.Statement.PredicateType; strings.HasPrefix(other, predicateTypes) && other != PredicateType {
		return nil, secret.Errorf(secret.Unsupported, "the report is of the type %s; this release reads %s", other, PredicateType)
	}
	if err != nil {
		return nil, corrupt("the report's statement is none that this release writes")
	}
	if err := r.Statement.validate(); err != nil {
		return nil, corrupt("the report's statement is none that this release writes: %s", secret.DetailOf(err))
	}
	return r, nil
}

// corrupt is the error of a report that proves nothing.
func corrupt(format string, args ...any) error {
	return &secret.Error{Kind: secret.Corrupt, Detail: fmt.Sprintf(format, args...)}
}
