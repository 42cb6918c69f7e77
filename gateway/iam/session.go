package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Bounds of a temporary access key's life.
const (
	MinSession = 15 * time.Minute
	MaxSession = 24 * time.Hour
)

// Credential is a temporary access key. The security token goes with every
// request and holds, sealed, the secret itself: no gateway remembers any.
type Credential struct {
	Access        string
	Secret        secret.Value
	SecurityToken secret.Value
	Expires       time.Time
}

// sessionType keeps a session and a token from passing for each other.
const sessionType = "iam-session+jwt"

// session is what a security token says: signed, for whoever has a public key
// of the keyring can seal, and sealed, for it holds the secret.
type session struct {
	Access  string `json:"id"`
	Secret  string `json:"sk"`
	Caller  string `json:"sub"`
	From    string `json:"from"`
	Print   string `json:"print"`
	Project string `json:"project,omitempty"`
	Expires int64  `json:"exp"` // microseconds
}

// Temporary makes a temporary access key for who, and where project is not
// empty for that project alone. It ends at until, if that is set and earlier.
// Kinds: Unsupported, where no key signs or the keyring cannot open what it
// seals.
func (x *IAM) Temporary(who Identity, project string, life time.Duration, until time.Time) (Credential, error) {
	if x.keys == nil || !x.ring.CanUnwrap() {
		return Credential{}, secret.Errorf(secret.Unsupported, "the keyring of this gateway signs nothing, or cannot open what it seals, so there are no temporary keys")
	}
	expires := who.bounds().Until(x.now().UTC().Truncate(time.Microsecond).Add(life))
	if !until.IsZero() && until.Before(expires) {
		expires = until
	}
	s := session{
		Access: randomAccess(), Secret: randomSecret(), Caller: who.Caller, From: who.from, Print: x.print(who.from), Project: project, Expires: expires.UnixMicro(),
	}
	signed, err := x.keys.Sign(s)
	if err != nil {
		return Credential{}, err
	}
	sealed, err := x.ring.SealSession([]byte(signed))
	if err != nil {
		return Credential{}, err
	}
	return Credential{Access: s.Access, Secret: secret.TextValue(s.Secret), SecurityToken: secret.TextValue(sealed), Expires: expires}, nil
}

// randomAccess has the form of the vendor's: 20 capitals and digits.
func randomAccess() string { return base32.StdEncoding.EncodeToString(random(20))[:20] }

func randomSecret() string { return base64.RawURLEncoding.EncodeToString(random(30)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// Why a security token is refused. Match them with errors.Is.
var (
	ErrSession = errors.New("iam: the security token is none, or of another key")
	ErrExpired = errors.New("iam: the security token has expired")
)

// Session is a temporary access key at work.
type Session struct {
	Holder  access.Caller // by this key, within the bounds of what it came from
	Project string        // for this one alone; empty: for every
	Secret  secret.Value
}

// Open returns the temporary access key that the security token belongs to.
func (x *IAM) Open(id, securityToken string) (Session, error) {
	if x.keys == nil {
		return Session{}, ErrSession
	}
	plain, err := x.ring.OpenSession(securityToken)
	if err != nil {
		return Session{}, ErrSession
	}
	now := x.now()
	s, err := x.keys.Prove(string(plain), now)
	switch {
	case err != nil || s.Access != id || s.Secret == "":
		return Session{}, ErrSession
	}
	holder, ok := x.stands(s.From, s.Caller, s.Print)
	holder.Credential = access.CredentialOf(access.TemporaryKey, id)
	switch {
	case !ok:
		return Session{}, ErrSession
	case !now.Before(time.UnixMicro(s.Expires)):
		return Session{}, ErrExpired
	}
	return Session{Holder: holder, Project: s.Project, Secret: secret.TextValue(s.Secret)}, nil
}
