package iam_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/secret"
)

// desk has a user, an access key, and a clock.
type desk struct {
	*iam.IAM
	now time.Time
}

func newDesk(t testing.TB, ring *backup.Keyring, users ...string) *desk {
	t.Helper()
	d := &desk{now: time.Unix(1_700_000_000, 0)}
	creds := access.NewCredentials()
	if err := creds.AddAccessKey("AK", secret.TextValue("sk"), access.Credential{Caller: "ci"}); err != nil {
		t.Fatal(err)
	}
	o := iam.Options{Keyring: ring, Credentials: creds, Domain: "acct", Now: func() time.Time { return d.now }}
	for _, u := range users {
		o.Users = append(o.Users, iam.User{Name: u, Password: sha256.Sum256([]byte("pw-" + u)), Caller: "caller-" + u})
	}
	var err error
	if d.IAM, err = iam.New(o); err != nil {
		t.Fatal(err)
	}
	return d
}

func login(t testing.TB, d *desk, user string) iam.Identity {
	t.Helper()
	who, ok := d.Password(user, "pw-"+user)
	if !ok {
		t.Fatal("no login")
	}
	return who
}

func fault(t testing.TB, err error) access.TokenFault {
	t.Helper()
	var e *access.TokenError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no TokenError", err)
	}
	return e.Fault
}

func TestTokens(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	d := newDesk(t, ring, "alice")
	text, made, err := d.Issue(login(t, d, "alice"), "p", []string{"password"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Verify(text)
	if err != nil || got.Caller != "caller-alice" || got.Name != "alice" || got.Project != "p" || !got.Expires.Equal(made.Expires) || !got.Issued.Equal(made.Issued) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, cut, _ := d.Issue(got.Identity, "q", nil, made.Issued.Add(time.Hour)); !cut.Expires.Equal(made.Issued.Add(time.Hour)) {
		t.Error("a token of a token outlives it")
	}
	if _, err := newDesk(t, ring, "bob").Verify(text); fault(t, err) != access.UnknownToken {
		t.Errorf("of a user who is gone: %v", err)
	}
	if _, err := newDesk(t, backup.NewKeyring(), "alice").Verify(text); fault(t, err) != access.BadSignature {
		t.Errorf("under another keyring: %v", err)
	}
	d.now = made.Expires.Add(-time.Microsecond)
	if _, err := d.Verify(text); err != nil {
		t.Errorf("in its last moment: %v", err)
	}
	d.now = made.Expires
	if _, err := d.Verify(text); fault(t, err) != access.ExpiredToken {
		t.Errorf("at its end: %v", err)
	}
	d.now = made.Issued.Add(-2 * time.Minute)
	if _, err := d.Verify(text); fault(t, err) != access.EarlyToken {
		t.Errorf("before its time: %v", err)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring(), "alice")
	for _, c := range [][2]string{{"alice", "pw-bob"}, {"alice", ""}, {"bob", "pw-bob"}, {"", ""}} {
		if who, ok := d.Password(c[0], c[1]); ok || who != (iam.Identity{}) {
			t.Errorf("%v log in", c)
		}
	}
	for _, c := range [][2]string{{"AK", "x"}, {"AK", ""}, {"none", ""}, {"", ""}} {
		if _, ok := d.Key(c[0], c[1]); ok {
			t.Errorf("the key %v", c)
		}
	}
	if who, ok := d.Key("AK", "sk"); !ok || who.Caller != "ci" {
		t.Error("the right key")
	}
	if id := login(t, d, "alice").UserID(); d.UserName(id) != "alice" || d.UserName("none") != "" || len(id) != 32 {
		t.Error("ids of users")
	}
	if _, err := iam.New(iam.Options{Keyring: backup.NewKeyring(), Users: []iam.User{{Name: "a", Caller: "c"}, {Name: "a", Caller: "d"}}}); err == nil {
		t.Error("two users of one name")
	}
}

func TestTemporaryKeys(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	d := newDesk(t, ring, "alice")
	c, err := d.Temporary(login(t, d, "alice"), "p", time.Hour, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	security := string(c.SecurityToken.Reveal())
	for _, replica := range []*desk{d, newDesk(t, ring, "alice")} {
		s, err := replica.Open(c.Access, security)
		if err != nil || s.Holder.ID != "caller-alice" || s.Project != "p" || !s.Secret.Equal(c.Secret) {
			t.Errorf("%q, %v", s.Holder.ID, err)
		}
	}
	for what, open := range map[string]func() error{
		"of another key":        func() error { _, err := d.Open("AK", security); return err },
		"under another keyring": func() error { _, err := newDesk(t, backup.NewKeyring(), "alice").Open(c.Access, security); return err },
		"of a user who is gone": func() error { _, err := newDesk(t, ring, "bob").Open(c.Access, security); return err },
		"cut":                   func() error { _, err := d.Open(c.Access, security[:len(security)-1]); return err },
		"empty":                 func() error { _, err := d.Open("", ""); return err },
	} {
		if err := open(); !errors.Is(err, iam.ErrSession) {
			t.Errorf("%s: %v", what, err)
		}
	}
	d.now = c.Expires
	if _, err := d.Open(c.Access, security); !errors.Is(err, iam.ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
	until := d.now.Add(time.Minute).UTC()
	if short, err := d.Temporary(login(t, d, "alice"), "", time.Hour, until); err != nil || !short.Expires.Equal(until) {
		t.Errorf("a key of a token outlives it: %v", err)
	}
}

// TestSessionsAreSigned: whoever has the public half of a keyring can seal
// backups for it, and must not be able to make himself a session.
func TestSessionsAreSigned(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{backup.AlgA256KW, backup.AlgECDH, backup.AlgRSA} {
		ring, err := backup.NewKeyringOf(alg, backup.AlgEdDSA)
		if err != nil {
			t.Fatal(err)
		}
		d := newDesk(t, ring, "alice")
		seals := ring // a symmetric keyring has no public half to seal with
		if public, err := ring.Public(); err == nil && public.CanSeal() {
			seals = public
		}
		text, _, err := d.Issue(login(t, d, "alice"), "p", nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{
			`{"id":"MINE","sk":"mine","sub":"caller-alice","from":"user:alice","exp":9999999999999999}`, text,
		} {
			sealed, err := seals.SealSession([]byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Open("MINE", sealed); !errors.Is(err, iam.ErrSession) {
				t.Errorf("%s: what only is sealed is a session: %v", alg, err)
			}
		}
	}
}

// TestBearer: what the gateway takes elsewhere is a way to prove oneself here,
// and what comes of it ends with it.
func TestBearer(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	open := func(token string) *iam.IAM {
		creds := access.NewCredentials()
		if err := creds.AddToken(sha256.Sum256([]byte(token)), access.Credential{Caller: "ci"}); err != nil {
			t.Fatal(err)
		}
		creds.Trust(func(text string) (access.Grant, error) {
			if text != "issued" && text != "of nobody" {
				return access.Grant{}, &access.TokenError{Fault: access.UnknownToken}
			}
			client := map[string]string{"issued": "alice"}[text]
			return access.Grant{Caller: access.Caller{ID: "caller-alice"}, Client: client, Expires: time.Unix(2_000_000_000, 0)}, nil
		})
		x, err := iam.New(iam.Options{Keyring: ring, Credentials: creds, Domain: "acct", Users: []iam.User{{Name: "alice", Caller: "caller-alice"}}})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := open("configured")
	who, until, err := x.Bearer("configured")
	if err != nil || who.Caller != "ci" || !until.IsZero() {
		t.Fatalf("a configured token: %+v, %v", who, err)
	}
	text, _, err := x.Issue(who, "p", nil, until)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Verify(text); err != nil {
		t.Error(err)
	}
	if _, err := open("another").Verify(text); fault(t, err) != access.UnknownToken {
		t.Errorf("of a configured token that is gone: %v", err)
	}
	if who, until, err = x.Bearer("issued"); err != nil || who.Caller != "caller-alice" || until.Unix() != 2_000_000_000 {
		t.Errorf("a token of the login's: %+v, %v", who, err)
	}
	for _, none := range []string{"guess", "of nobody", ""} {
		if _, _, err := x.Bearer(none); fault(t, err) != access.UnknownToken {
			t.Errorf("%q: %v", none, err)
		}
	}
}

// TestAnotherPassword ends what the old one brought about, and so does another
// secret of an access key.
func TestAnotherPassword(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	open := func(password, sk string) *iam.IAM {
		creds := access.NewCredentials()
		if err := creds.AddAccessKey("AK", secret.TextValue(sk), access.Credential{Caller: "ci"}); err != nil {
			t.Fatal(err)
		}
		x, err := iam.New(iam.Options{Keyring: ring, Credentials: creds, Users: []iam.User{{Name: "alice", Password: sha256.Sum256([]byte(password)), Caller: "alice"}}})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := open("pw", "sk")
	user, _ := x.Password("alice", "pw")
	key, _ := x.Key("AK", "sk")
	for who, changed := range map[iam.Identity]*iam.IAM{user: open("pw2", "sk"), key: open("pw", "sk2")} {
		text, _, err := x.Issue(who, "p", nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := x.Temporary(who, "", time.Hour, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		security := string(c.SecurityToken.Reveal())
		if _, err := open("pw", "sk").Verify(text); err != nil {
			t.Errorf("unchanged: %v", err)
		}
		if _, err := changed.Verify(text); fault(t, err) != access.UnknownToken {
			t.Errorf("a token from before the change: %v", err)
		}
		if _, err := changed.Open(c.Access, security); !errors.Is(err, iam.ErrSession) {
			t.Errorf("a temporary key from before the change: %v", err)
		}
	}
}

// TestHalfKeyrings: without a signing key there are no tokens, and where the
// keyring cannot open what it seals no temporary keys; each says so.
func TestHalfKeyrings(t *testing.T) {
	t.Parallel()
	silent, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, silent, "alice")
	if _, _, err := d.Issue(login(t, d, "alice"), "", nil, time.Time{}); !errors.Is(err, secret.Unsupported) {
		t.Errorf("without a signing key: %v", err)
	}
	if _, err := d.Verify("x.y.z"); fault(t, err) != access.UnknownToken {
		t.Errorf("without a signing key: %v", err)
	}
	if _, err := d.Temporary(login(t, d, "alice"), "", time.Hour, time.Time{}); !errors.Is(err, secret.Unsupported) {
		t.Errorf("without a signing key: %v", err)
	}
	whole, err := backup.NewKeyringOf("ECDH-ES+A256KW", backup.AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	public, err := whole.Public()
	if err != nil {
		t.Fatal(err)
	}
	half := newDesk(t, public, "alice")
	if _, err := half.Temporary(login(t, half, "alice"), "", time.Hour, time.Time{}); !errors.Is(err, secret.Unsupported) {
		t.Errorf("a keyring that cannot open: %v", err)
	}
	if _, err := half.Open("x", "y"); !errors.Is(err, iam.ErrSession) {
		t.Errorf("a keyring that cannot open: %v", err)
	}
}

// FuzzOpen: nothing but what the keyring sealed as a session opens one.
func FuzzOpen(f *testing.F) {
	ring := backup.NewKeyring()
	d := newDesk(f, ring, "alice")
	c, err := d.Temporary(login(f, d, "alice"), "", time.Hour, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	good := string(c.SecurityToken.Reveal())
	wrapped, err := ring.WrapKey([]byte(`{"id":"AK","sk":"x","sub":"ci","from":"key:AK","exp":9999999999999999}`), "")
	if err != nil {
		f.Fatal(err)
	}
	text, _, err := d.Issue(login(f, d, "alice"), "p", nil, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, string(wrapped), text, "....", good + ".", strings.ToUpper(good)} {
		f.Add(c.Access, s)
		f.Add("AK", s)
	}
	f.Fuzz(func(t *testing.T, id, security string) {
		if _, err := d.Open(id, security); err == nil && (id != c.Access || security != good) {
			t.Errorf("%q opens %q", security, id)
		}
	})
}

// FuzzVerify: nothing but what was issued is a token, and every refusal is a
// TokenError.
func FuzzVerify(f *testing.F) {
	d := newDesk(f, backup.NewKeyring(), "alice")
	good, _, err := d.Issue(login(f, d, "alice"), "p", nil, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, good[:len(good)-1], "a.b.c", "", "..", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := d.Verify(s)
		if err == nil && s != good {
			t.Errorf("%q is a token", s)
		}
		if err != nil {
			fault(t, err)
		}
	})
}
