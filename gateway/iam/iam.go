// Package iam is as much of an identity service as Huawei Cloud's clients ask
// for, without its wire: users who log in with a password, tokens, and
// temporary access keys. It keeps nothing: what it hands out proves itself on
// every gateway with the same keyring and callers, and ends with the user or
// access key that it was made for.
package iam

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/token"
	"github.com/vaultferry/vaultferry/secret"
)

// Life of a token; clients ask for the next one some time before.
const Life = 24 * time.Hour

// leeway lets in what another gateway issued whose clock is ahead.
const leeway = time.Minute

// tokenType keeps whatever else the keyring signs from passing for a token.
const tokenType = "iam+jwt"

// User logs in with a name and a password.
type User struct {
	Name     string
	Password [sha256.Size]byte // its hash
	Strong   bool              // the password is: see access.Strong
	Caller   string
	Bounds   access.Bounds
}

// Options make an IAM. Only the last is not needed.
type Options struct {
	Keyring     *backup.Keyring
	Credentials *access.Credentials
	Domain      string // the account's name
	Users       []User
	Now         func() time.Time // default: time.Now
}

// IAM is safe for concurrent use.
type IAM struct {
	ring   *backup.Keyring
	creds  *access.Credentials
	domain string
	users  map[string]User
	ids    map[string]string      // of callers, to their user names
	tokens *token.Minter[claims]  // nil: no key signs
	keys   *token.Minter[session] // the same
	now    func() time.Time
}

// New fails where the signing key cannot be used, or two users have one name.
// Without a signing key there is an IAM that issues no tokens.
func New(o Options) (*IAM, error) {
	x := &IAM{ring: o.Keyring, creds: o.Credentials, domain: o.Domain, users: map[string]User{}, ids: map[string]string{}, now: o.Now}
	if x.now == nil {
		x.now = time.Now
	}
	for _, u := range o.Users {
		if _, twice := x.users[u.Name]; twice || u.Name == "" || u.Caller == "" {
			return nil, errors.New("iam: a user's name is missing or taken, or there is no caller")
		}
		x.users[u.Name] = u
		x.ids[ID("user", u.Caller)] = u.Name
	}
	tokens, err := token.New[claims](o.Keyring, tokenType, Life)
	switch {
	case errors.Is(err, token.ErrNoKey):
		return x, nil
	case err != nil:
		return nil, err
	}
	x.tokens = tokens
	x.keys, err = token.New[session](o.Keyring, sessionType, MaxSession)
	return x, err
}

// Domain is the name of the account that all users belong to.
func (x *IAM) Domain() string { return x.domain }

// ID is the id of a thing that has a name: 32 hex digits, the same on every
// gateway.
func ID(kind, name string) string {
	sum := sha256.Sum256([]byte("vaultferry iam\x00" + kind + "\x00" + name))
	return hex.EncodeToString(sum[:16])
}

// Identity is who proved to be who.
type Identity struct {
	Name   string // of the user, as it is shown
	Caller string
	Strong bool   // by a secret that nobody guesses
	from   string // what it ends with: one of the below and a name
	holder *access.Caller
}

// Holder is the caller, as the credential proved him that the identity came
// from, with its bounds.
func (i Identity) Holder(via string) access.Caller {
	if i.holder == nil {
		return access.Caller{}
	}
	who := *i.holder
	who.Via = via
	return who
}

func (i Identity) bounds() *access.Bounds { return i.Holder("").Bounds }

// What an identity came from. It ends when that is configured no more.
const (
	fromUser  = "user:"
	fromKey   = "key:"
	fromToken = "token:" // and the configured token's hash
)

// UserID is the id under which the identity is shown: a caller has one,
// however it proved itself.
func (i Identity) UserID() string { return ID("user", i.Caller) }

// UserName finds a user by its id.
func (x *IAM) UserName(id string) string { return x.ids[id] }

// Password returns the user whose password it is. An unknown user takes as
// long as a wrong password.
func (x *IAM) Password(name, password string) (Identity, bool) {
	u, known := x.users[name]
	given := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(given[:], u.Password[:]) != 1 || !known {
		return Identity{}, false
	}
	return Identity{Name: u.Name, Caller: u.Caller, Strong: u.Strong, from: fromUser + u.Name, holder: new(u.holder())}, true
}

func (u *User) holder() access.Caller {
	return access.Caller{ID: u.Caller, Credential: access.CredentialOf(access.ClientSecret, u.Name), Bounds: &u.Bounds}
}

// Key returns the holder of an access key whose secret it is.
func (x *IAM) Key(id, sk string) (Identity, bool) {
	key, known := x.creds.AccessKey(id, "")
	have, given := sha256.Sum256(key.Secret.Reveal()), sha256.Sum256([]byte(sk))
	if subtle.ConstantTimeCompare(given[:], have[:]) != 1 || !known {
		return Identity{}, false
	}
	return x.OfKey(id)
}

// OfKey returns the holder of an access key that a signature proved.
func (x *IAM) OfKey(id string) (Identity, bool) {
	key, known := x.creds.AccessKey(id, "")
	return Identity{Name: key.Caller.ID, Caller: key.Caller.ID, Strong: key.Strong, from: fromKey + id, holder: &key.Caller}, known
}

// Bearer returns the holder of a token that is not one of ours: a configured
// one, or one of the login's that a client's secret proved, which ends at until.
// What comes of any other would end with a secret that had no part in it. Its
// error is a *access.TokenError.
func (x *IAM) Bearer(text string) (who Identity, until time.Time, err error) {
	sum := sha256.Sum256([]byte(text))
	if c, ok := x.creds.TokenOf(sum, ""); ok {
		return Identity{Name: c.ID, Caller: c.ID, from: fromToken + hex.EncodeToString(sum[:]), holder: &c}, until, nil
	}
	g, err := x.creds.Issued(text)
	if err == nil && g.Client == "" { // no secret proved it
		err = &access.TokenError{Fault: access.UnknownToken}
	}
	if err != nil {
		return who, until, err
	}
	who = Identity{Name: g.Client, Caller: g.Caller.ID, from: fromUser + g.Client, holder: &g.Caller}
	if source, _, ok := x.source(who.from); !ok || source.ID != who.Caller {
		return Identity{}, until, &access.TokenError{Fault: access.UnknownToken}
	}
	return who, g.Expires, nil
}

// source returns what an identity came from, as it is configured now: whose it
// is, and what is secret about it.
func (x *IAM) source(from string) (holder access.Caller, proof []byte, ok bool) {
	if name, is := strings.CutPrefix(from, fromUser); is {
		u, known := x.users[name]
		return u.holder(), u.Password[:], known
	}
	if id, is := strings.CutPrefix(from, fromKey); is {
		key, known := x.creds.AccessKey(id, "")
		return key.Caller, key.Secret.Reveal(), known
	}
	if text, is := strings.CutPrefix(from, fromToken); is {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			return holder, nil, false
		}
		c, known := x.creds.TokenOf([sha256.Size]byte(sum), "")
		return c, sum, known
	}
	return holder, nil, false
}

// print tells what is secret about a source from what takes its place later.
func (x *IAM) print(from string) string {
	_, proof, _ := x.source(from)
	return hex.EncodeToString(x.ring.Fingerprints(proof)[0])
}

// stands reports whether what an identity came from is still configured, with
// the same secret, and the caller's: another password ends what the old one
// brought about. It returns the caller by that source.
func (x *IAM) stands(from, caller, print string) (access.Caller, bool) {
	holder, proof, ok := x.source(from)
	if !ok || holder.ID != caller {
		return access.Caller{}, false
	}
	return holder, slices.ContainsFunc(x.ring.Fingerprints(proof), func(sum []byte) bool {
		return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum)), []byte(print)) == 1
	})
}

// claims are the payload of a token.
type claims struct {
	Caller  string   `json:"sub"`
	Name    string   `json:"name"`
	From    string   `json:"from"`
	Print   string   `json:"print"`
	Project string   `json:"project,omitempty"`
	Methods []string `json:"methods"`
	Issued  int64    `json:"iat"` // microseconds
	Expires int64    `json:"exp"` // microseconds
	ID      string   `json:"jti"`
}

// Token is what a token says.
type Token struct {
	Identity
	Project         string // its id; empty: the token is for the domain
	Methods         []string
	Issued, Expires time.Time
}

// Issue returns a token for the project, or for the domain where that is
// empty. It lives for Life, and never longer than until. Kinds: Unsupported,
// where no key signs.
func (x *IAM) Issue(who Identity, project string, methods []string, until time.Time) (string, Token, error) {
	if x.tokens == nil {
		return "", Token{}, secret.Errorf(secret.Unsupported, "no key of this gateway signs, so there are no tokens")
	}
	now := x.now().UTC().Truncate(time.Microsecond)
	t := Token{Identity: who, Project: project, Methods: methods, Issued: now, Expires: who.bounds().Until(now.Add(Life))}
	if !until.IsZero() && until.Before(t.Expires) {
		t.Expires = until
	}
	text, err := x.tokens.Sign(claims{
		Caller: who.Caller, Name: who.Name, From: who.from, Print: x.print(who.from), Project: project, Methods: methods,
		Issued: t.Issued.UnixMicro(), Expires: t.Expires.UnixMicro(), ID: uuid.NewString(),
	})
	return text, t, err
}

// Verify reads a token. Its error is a *access.TokenError.
func (x *IAM) Verify(text string) (Token, error) {
	if x.tokens == nil {
		return Token{}, &access.TokenError{Fault: access.UnknownToken}
	}
	now := x.now()
	c, err := x.tokens.Prove(text, now)
	if err != nil {
		return Token{}, err
	}
	holder, stands := x.stands(c.From, c.Caller, c.Print)
	holder.Credential = access.DigestedCredential(access.IAMToken, text)
	t := Token{
		Identity: Identity{Name: c.Name, Caller: c.Caller, from: c.From, holder: &holder}, Project: c.Project, Methods: c.Methods,
		Issued: time.UnixMicro(c.Issued).UTC(), Expires: time.UnixMicro(c.Expires).UTC(),
	}
	switch {
	case !now.Before(t.Expires):
		return Token{}, &access.TokenError{Fault: access.ExpiredToken, At: t.Expires}
	case now.Add(leeway).Before(t.Issued):
		return Token{}, &access.TokenError{Fault: access.EarlyToken, At: t.Issued}
	case !stands:
		return Token{}, &access.TokenError{Fault: access.UnknownToken}
	}
	return t, nil
}
