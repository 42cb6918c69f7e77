package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Origin says where a document came from. It is sealed with the document, so
// the policy can ask whether the caller may use what came from there.
type Origin struct {
	Gateway string // Keyring.GatewayID of the gateway that sealed it
	Store   string // the configured store's name there
	Name    secret.Name
}

// Document is one secret with its whole history. Each version either holds a
// value or says in Missing why it does not.
type Document struct {
	Origin   Origin
	SealedAt time.Time
	Secret   *secret.Secret
	// Signature is a detached JWS by who made the document. Seal makes its own.
	Signature string
	// ProvedBy is the id of the key by which Open knows that a holder of the
	// keyring made the document: one that signed it, or a symmetric one that
	// sealed it. Empty: whoever holds a public half may have. It is not a part of
	// the encoding.
	ProvedBy string
}

// schema is the version of the document's encoding.
const schema = 1

// validate checks what every document obeys, whether about to be written or
// just read. Its errors name ordinals and members, never what they hold.
func (d *Document) validate() error {
	switch {
	case d.Secret == nil:
		return errors.New("the document holds no secret")
	case d.Origin.Gateway == "" || d.Origin.Store == "":
		return errors.New("the origin is incomplete")
	case d.Origin.Name.Validate() != nil:
		return errors.New("the origin's name is not valid")
	case d.SealedAt.IsZero():
		return errors.New("the time of sealing is missing")
	}
	return validateSecret(d.Secret)
}

func validateSecret(s *secret.Secret) error {
	if s.Name.Validate() != nil {
		return errors.New("the secret's name is not valid")
	}
	if len(s.Versions) == 0 {
		return errors.New("the secret has no version")
	}
	var last secret.Ordinal
	uids := make(map[secret.UID]bool, len(s.Versions))
	for i := range s.Versions {
		v := &s.Versions[i]
		if v.Ordinal <= last {
			return fmt.Errorf("version %d: ordinals do not rise from 1", v.Ordinal)
		}
		if v.UID.IsZero() || uids[v.UID] {
			return fmt.Errorf("version %d: the UID is missing or taken", v.Ordinal)
		}
		if err := validateVersion(v); err != nil {
			return fmt.Errorf("version %d: %w", v.Ordinal, err)
		}
		last, uids[v.UID] = v.Ordinal, true
	}
	for _, role := range []secret.Ordinal{s.Current, s.Previous} {
		if role != 0 && s.Find(secret.ByOrdinal(role)) == nil {
			return fmt.Errorf("a role names version %d, which does not exist", role)
		}
	}
	return nil
}

func validateVersion(v *secret.Version) error {
	if !v.Missing.Valid() {
		return errors.New("unknown reason for a missing value")
	}
	if v.Value.IsNone() != (v.Missing != "") {
		return errors.New("a version holds a value or says why not, never both or neither")
	}
	if v.Value.Form() == secret.Fields && !isObject(v.Value.Reveal()) {
		return errors.New("fields are not a JSON object")
	}
	last := ""
	for _, s := range v.Stages {
		if s <= last {
			return errors.New("stages are empty, unsorted or repeated")
		}
		last = s
	}
	return nil
}

func isObject(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{':
			return json.Valid(b)
		default:
			return false
		}
	}
	return false
}
