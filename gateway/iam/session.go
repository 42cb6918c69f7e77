package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

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

// session is what a security token says.
type session struct {
	Access  string `json:"id"`
	Secret  string `json:"sk"`
	Caller  string `json:"sub"`
	From    string `json:"from"`
	Expires int64  `json:"exp"` // microseconds
}

// Temporary makes a temporary access key for who. Kinds: Unsupported, where
// the keyring cannot open what it seals.
func (x *IAM) Temporary(who Identity, life time.Duration) (Credential, error) {
	if !x.ring.CanOpen() || !x.ring.CanSeal() {
		return Credential{}, secret.Errorf(secret.Unsupported, "the keyring of this gateway cannot open what it seals, so there are no temporary keys")
	}
	expires := x.now().UTC().Truncate(time.Microsecond).Add(life)
	s := session{
		Access: randomAccess(), Secret: randomSecret(), Caller: who.Caller, From: who.from, Expires: expires.UnixMicro(),
	}
	plain, err := json.Marshal(s) //nolint:gosec // G117: it is sealed before it leaves
	if err != nil {
		return Credential{}, err
	}
	sealed, err := x.ring.SealSession(plain)
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

// Open returns the caller and the secret of the temporary access key that the
// security token belongs to.
func (x *IAM) Open(access, securityToken string) (caller string, sk secret.Value, err error) {
	plain, err := x.ring.OpenSession(securityToken)
	if err != nil {
		return "", sk, ErrSession
	}
	var s session
	switch {
	case json.Unmarshal(plain, &s) != nil || s.Access != access || s.Secret == "" || !x.stands(s.From, s.Caller):
		return "", sk, ErrSession
	case !x.now().Before(time.UnixMicro(s.Expires)):
		return "", sk, ErrExpired
	}
	return s.Caller, secret.TextValue(s.Secret), nil
}
