package huawei

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// What the vendor's gateway says behind "Incorrect IAM authentication
// information".
const (
	saidNothing   = "x-auth-token not found"
	saidToken     = "decrypt token fail" //nolint:gosec // what is said of one that is no token
	saidExpired   = "token expires, expires_at: "
	saidSignature = "verify aksk signature fail"
	saidNoKey     = "Get secretKey failed,ak:******,err:ak not exist"
	saidSession   = "security token is invalid" // this and the next are ours
	saidStale     = "security token expires"
	saidEnded     = "the access key has expired"
	saidLocked    = "AK access failed to reach the limit,forbidden."
)

// Authenticate takes a signature or a token. With both, the signature alone
// counts: a token must not rescue a request whose signature is wrong. Unknown
// paths need no proof, for nothing is there.
func (a *api) Authenticate(r *wire.Request) (access.Caller, error) {
	auth, tokens := r.Header.Values("Authorization"), r.Header.Values("X-Auth-Token")
	if r.Op == "" || r.Op == loginOp || r.Op == credentialOp && len(auth)+len(tokens) == 0 {
		return access.Caller{}, nil // nothing is there, or the proof is in the body
	}
	from := r.From(via, a.now())
	switch {
	case len(auth) == 1:
		who, err := a.signature(r, auth[0])
		return who, byGateway(err)
	case len(auth) > 1:
		_, err := unproved(saidSignature+", more than one Authorization header", nil)
		return access.Caller{}, byGateway(err)
	case len(tokens) == 1:
		return a.token(r, tokens[0])
	case len(tokens) > 1:
		return unproved(saidToken+", more than one X-Auth-Token header", nil)
	}
	peer, err := a.creds.Peer(from)
	if err != nil || peer.ID == "" {
		return unproved(saidNothing, err)
	}
	return peer, nil
}

// byGateway marks a refusal as the API gateway's, which sees to signatures for
// every service: it has one shape, on IAM's paths too.
func byGateway(err error) error {
	var e *secret.Error
	if errors.As(err, &e) && e.Kind == secret.Unauthenticated {
		return &vendorError{problems[secret.Unauthenticated], e}
	}
	return err
}

// token takes a configured one, one of the login's or of an issuer's, or one of
// IAM's. The last is for one project, or for none: then it opens nothing of CSMS.
func (a *api) token(r *wire.Request, text string) (access.Caller, error) {
	who, err := a.creds.Bearer(text, r.From(via, a.now()), nil)
	if err == nil {
		return who, nil
	}
	if again, down := access.Down(err); down { // it may be good
		return access.Caller{}, &secret.Error{Kind: secret.Unavailable, Detail: "the keys of the token's issuer could not be fetched", RetryAfter: again}
	}
	if _, bound := errors.AsType[*access.BoundError](err); bound || errors.Is(err, access.ErrCertificate) {
		return a.refuseToken(r, text, err)
	}
	t, iamErr := a.iamToken(r, text)
	switch project, ok := r.Vars["project_id"]; {
	case iamErr != nil && outdated(err): // one of the login's
		_, stale := unproved(refusedToken(err), err)
		return access.Caller{}, a.explained(r, stale, err)
	case iamErr != nil:
		return access.Caller{}, a.explained(r, iamErr, err)
	case ok && project != t.Project:
		return access.Caller{}, secret.Errorf(secret.Denied, "the token is for another project")
	}
	return t.Holder(via), nil
}

// refuseToken counts a token as a wrong one, and answers so.
func (a *api) refuseToken(r *wire.Request, text string, err error) (access.Caller, error) {
	if key := access.HashedKey("token", text); !outdated(err) && a.throttle.Locked(key, r.Address) == 0 {
		a.throttle.Failed(key, r.Address)
	}
	return unproved(refusedToken(err), err)
}

// explained tells the audit why an issuer's token is refused. The client is told
// what the vendor says of each.
func (*api) explained(r *wire.Request, said, why error) error {
	e, ok := errors.AsType[*access.TokenError](why)
	if !ok || e.Detail == "" || ofIAM[r.Op] || secret.KindOf(said) != secret.Unauthenticated {
		return said
	}
	row := problems[secret.Unauthenticated]
	row.msg, row.detail = row.message(secret.DetailOf(said)), false
	return &vendorError{row, &secret.Error{Kind: secret.Unauthenticated, Detail: access.Reason(why), Err: why}}
}

// iamToken reads a token of IAM's. It slows down whoever keeps sending one
// wrong token. Tokens cannot be guessed, so each is counted by itself: neither
// the sender's next token nor his neighbours' are locked out. One of ours that
// is out of date is no guess.
func (a *api) iamToken(r *wire.Request, text string) (iam.Token, error) {
	key := access.HashedKey("token", text)
	if a.throttle.Locked(key, r.Address) > 0 {
		_, err := unproved(saidToken, nil)
		return iam.Token{}, err
	}
	t, err := a.iam.Verify(text)
	if err == nil {
		err = a.creds.Check(t.Holder(via), r.From(via, a.now()))
	}
	if err == nil {
		return t, nil
	}
	_, err = a.refuseToken(r, text, err)
	return iam.Token{}, err
}

// anyToken is iamToken for those places of IAM that take every token that this
// gateway takes: others have no project.
func (a *api) anyToken(r *wire.Request, text string) (iam.Token, error) {
	who, until, err := a.iam.Bearer(text)
	if err != nil {
		return a.iamToken(r, text)
	}
	if err := a.creds.Check(who.Holder(via), r.From(via, a.now())); err != nil {
		_, err = a.refuseToken(r, text, err)
		return iam.Token{}, err
	}
	return iam.Token{Identity: who, Expires: until}, nil
}

func outdated(err error) bool {
	var e *access.TokenError
	return access.Ended(err) || errors.As(err, &e) && (e.Fault == access.ExpiredToken || e.Fault == access.EarlyToken)
}

// signature reads the body only after everything else has passed: whoever has
// no key cannot make the gateway hold one. Where the client says the body's
// hash, the signature itself comes first too.
func (a *api) signature(r *wire.Request, header string) (access.Caller, error) {
	auth, err := sdkhmac.Parse(header)
	if err != nil {
		return unproved(saidSignature+", "+why(err), err)
	}
	if a.throttle.Locked(auth.Access, r.Address) > 0 {
		return a.whileLocked(r, auth)
	}
	if _, err := sdkhmac.CheckDate(r.Header, auth, a.now()); err != nil {
		return unproved(saidSignature+", "+why(err), err)
	}
	key, project, said, err := a.key(r, auth.Access)
	if said != "" {
		if said != saidStale {
			a.throttle.Failed(auth.Access, r.Address)
		}
		return unproved(said, err)
	}
	if err := a.verify(r, auth, key); err != nil {
		if errors.Is(err, sdkhmac.ErrSignature) { // a guess; the rest is a mistake
			a.failed(key, r.Address)
		}
		return mismatch(err)
	}
	return a.holderOf(r, key, project)
}

// decoy takes the place of a key that is not there, or is too weak: it makes
// the same work, and signs nothing.
var decoy = access.AccessKey{Secret: secret.TextValue(rand.Text())}

// whileLocked takes a proof by a secret that nobody guesses. All others are
// refused alike, whichever part of them is wrong, after the same work.
func (a *api) whileLocked(r *wire.Request, auth sdkhmac.Authorization) (access.Caller, error) {
	key, project, said, _ := a.key(r, auth.Access)
	if said != "" || !key.Strong {
		key = decoy
	}
	if err := a.verify(r, auth, key); err != nil {
		return unproved(saidLocked, nil)
	}
	if err := a.creds.Check(key.Caller, r.From(via, a.now())); err != nil {
		return unproved(saidLocked, err)
	}
	return a.holderOf(r, key, project)
}

func (a *api) failed(key access.AccessKey, address string) {
	if key.Strong {
		a.throttle.Failed(key.ID, address)
	} else {
		a.throttle.Guessed(key.ID, address)
	}
}

func (a *api) holderOf(r *wire.Request, key access.AccessKey, project string) (access.Caller, error) {
	switch err := a.creds.Check(key.Caller, r.From(via, a.now())); {
	case access.Ended(err):
		return unproved(saidEnded, err)
	case err != nil: // from elsewhere: as a guess
		a.failed(key, r.Address)
		return unproved(saidSignature+", "+why(sdkhmac.ErrSignature), err)
	}
	a.throttle.Succeeded(key.ID, r.Address, key.Strong)
	if at, ok := r.Vars["project_id"]; ok && project != "" && project != at {
		return access.Caller{}, secret.Errorf(secret.Denied, "the temporary key is for another project")
	}
	return key.Caller, nil
}

// mismatch refuses a signature; what keeps a body from being read is no fault
// of it.
func mismatch(err error) (access.Caller, error) {
	var unread *secret.Error
	if errors.As(err, &unread) {
		return access.Caller{}, err
	}
	return unproved(saidSignature+", "+why(err), err)
}

// key finds a configured access key, or a temporary one by the security token
// that comes with it, which may be for one project alone. The token may be
// unsigned: it proves itself by naming the secret. Beside a configured key it
// says nothing. Where there is no key, said is what to say.
func (a *api) key(r *wire.Request, id string) (key access.AccessKey, project, said string, err error) {
	if key, ok := a.creds.AccessKey(id, via); ok {
		return key, "", "", nil
	}
	tokens := r.Header.Values("X-Security-Token")
	if len(tokens) != 1 {
		return key, "", saidNoKey, nil
	}
	s, err := a.iam.Open(id, tokens[0])
	switch {
	case errors.Is(err, iam.ErrExpired):
		return key, "", saidStale, err
	case err != nil:
		return key, "", saidSession, err
	}
	s.Holder.Via = via
	return access.AccessKey{ID: id, Secret: s.Secret, Strong: true, Caller: s.Holder}, s.Project, "", nil
}

var (
	errUnsigned = errors.New("the body is not signed")
	errNoHost   = errors.New("the host is not signed")
)

// verify wants the body signed. The scheme lets clients leave it out, but none
// does so with the JSON that this API speaks.
func (a *api) verify(r *wire.Request, auth sdkhmac.Authorization, key access.AccessKey) error {
	if a.signedHost && !slices.Contains(auth.SignedHeaders, "host") {
		return errNoHost
	}
	claim, claimed, err := sdkhmac.Claim(r.Header)
	if err != nil {
		return err
	}
	if claimed && r.ContentLength != 0 {
		return a.verifyClaim(r, auth, key, claim)
	}
	body, err := r.Body()
	if err != nil {
		return err
	}
	return sdkhmac.Verify(r.Request, body, auth, key.Secret, a.now())
}

// verifyClaim verifies a signature by what the client says of the body. A large
// body is read when the sender's rights are known, and has to keep the promise
// then; any other is read here.
func (a *api) verifyClaim(r *wire.Request, auth sdkhmac.Authorization, key access.AccessKey, claim string) error {
	if err := sdkhmac.VerifyClaim(r.Request, auth, key.Secret, a.now()); err != nil {
		return err
	}
	if claim == sdkhmac.UnsignedPayload {
		return errUnsigned
	}
	_, wrong := unproved(saidSignature+", "+why(sdkhmac.ErrRequest), sdkhmac.ErrRequest)
	sum, err := hex.DecodeString(claim)
	if err != nil || len(sum) != sha256.Size || claim != hex.EncodeToString(sum) {
		return sdkhmac.ErrRequest
	}
	r.Expect([sha256.Size]byte(sum), key.Caller, byGateway(wrong))
	if r.Large() {
		return nil
	}
	_, err = r.Body()
	return err
}

// why tells a client what to look at, never what was expected.
func why(err error) string {
	switch {
	case errors.Is(err, sdkhmac.ErrAlgorithm):
		return "the algorithm must be " + sdkhmac.Algorithm + " or " + sdkhmac.DerivedAlgorithm
	case errors.Is(err, sdkhmac.ErrMalformed):
		return "the Authorization header is malformed"
	case errors.Is(err, sdkhmac.ErrDate):
		return "X-Sdk-Date must be signed and within 15 minutes of now"
	case errors.Is(err, sdkhmac.ErrRequest):
		return "the request differs from what was signed"
	case errors.Is(err, errUnsigned):
		return "the body must be signed"
	case errors.Is(err, errNoHost):
		return "the header Host must be signed"
	}
	return "the signature does not match"
}

// refusedToken follows the vendor, who tells of no fault but one.
func refusedToken(err error) string {
	var e *access.TokenError
	bound, _ := errors.AsType[*access.BoundError](err)
	switch at := "2006-01-02T15:04:05.000000Z"; {
	case errors.As(err, &e) && e.Fault == access.ExpiredToken:
		return saidExpired + e.At.UTC().Format(at)
	case access.Ended(err):
		return saidExpired + bound.Ended.UTC().Format(at)
	}
	return saidToken
}

func unproved(detail string, cause error) (access.Caller, error) {
	return access.Caller{}, &secret.Error{Kind: secret.Unauthenticated, Detail: detail, Err: cause}
}
