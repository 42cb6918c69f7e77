package login_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/login"
)

// sign makes a token as the login would, with the changes.
func sign(t testing.TB, ring *backup.Keyring, head map[jose.HeaderKey]any, change map[string]any) string {
	t.Helper()
	key, id, ok := ring.Signer()
	if !ok {
		t.Fatal("the keyring does not sign")
	}
	o := (&jose.SignerOptions{}).WithType("at+jwt")
	for k, v := range head {
		o.WithHeader(k, v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: id}}, o)
	if err != nil {
		t.Fatal(err)
	}
	secretHash := sha256.Sum256([]byte(password))
	c := map[string]any{
		"print": hex.EncodeToString(ring.Fingerprints(secretHash[:])[0]),
		"iss":   base + "/adfs", "aud": resource, "sub": "ci", "appid": "ci+cd",
		"iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_003_600, "jti": "x",
	}
	maps.Copy(c, change)
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func enc(s string) string { return backup.EncodeBase64URL([]byte(s)) }

func faultOf(t testing.TB, err error) access.TokenFault {
	t.Helper()
	var e *access.TokenError
	if !errors.As(err, &e) {
		t.Fatalf("not a TokenError: %v", err)
	}
	return e.Fault
}

func TestHostileTokens(t *testing.T) {
	t.Parallel()
	ring, foreign := backup.NewKeyring(), backup.NewKeyring()
	d := newDesk(t, ring)
	good := sign(t, ring, nil, nil)
	if _, err := d.Verify(good); err != nil {
		t.Fatal(err)
	}
	key, id, _ := ring.Signer()
	public, _ := key.Public().(ed25519.PublicKey)
	parts := strings.Split(good, ".")
	var claims map[string]any
	raw, _ := backup.DecodeBase64URL(parts[1])
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	claims["sub"] = "admin"
	altered, _ := json.Marshal(claims)
	hs256 := enc(`{"alg":"HS256","kid":"`+id+`","typ":"at+jwt"}`) + "." + parts[1]
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(hs256))
	with := func(m string, v any) string { return sign(t, ring, nil, map[string]any{m: v}) }

	for name, c := range map[string]struct {
		token string
		want  access.TokenFault
	}{
		"empty":                         {"", access.UnknownToken},
		"opaque":                        {"s3cr3t", access.UnknownToken},
		"two dots alone":                {"..", access.UnknownToken},
		"four parts":                    {good + ".x", access.UnknownToken},
		"five parts, as encrypted":      {good + ".x.y", access.UnknownToken},
		"JSON form":                     {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, access.UnknownToken},
		"a space before it":             {" " + good, access.UnknownToken},
		"a line feed in it":             {parts[0] + "\n." + parts[1] + "." + parts[2], access.UnknownToken},
		"padded":                        {parts[0] + "." + parts[1] + "." + parts[2] + "==", access.UnknownToken},
		"header is a list":              {enc(`["EdDSA"]`) + "." + parts[1] + "." + parts[2], access.UnknownToken},
		"header is null":                {enc(`null`) + "." + parts[1] + "." + parts[2], access.UnknownToken},
		"too long":                      {with("x", strings.Repeat("x", 8<<10)), access.UnknownToken},
		"alg none":                      {enc(`{"alg":"none","kid":"`+id+`","typ":"at+jwt"}`) + "." + parts[1] + ".", access.BadSignature},
		"alg none with a signature":     {enc(`{"alg":"none","kid":"`+id+`","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2], access.BadSignature},
		"alg HS256 with the public key": {hs256 + "." + backup.EncodeBase64URL(mac.Sum(nil)), access.BadSignature},
		"alg ES256 with this key":       {enc(`{"alg":"ES256","kid":"`+id+`","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2], access.BadSignature},
		"no signature":                  {parts[0] + "." + parts[1] + ".", access.BadSignature},
		"no payload":                    {parts[0] + ".." + parts[2], access.BadSignature},
		"altered":                       {parts[0] + "." + backup.EncodeBase64URL(altered) + "." + parts[2], access.BadSignature},
		"another gateway's":             {sign(t, foreign, nil, nil), access.BadSignature},
		"its own key in the header":     {ownKey(t), access.BadSignature},
		"no kid":                        {enc(`{"alg":"EdDSA","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2], access.BadSignature},
		"signed, and no token":          {sign(t, ring, map[jose.HeaderKey]any{"typ": "JWT"}, nil), access.BadSignature},
		"critical and unknown":          {sign(t, ring, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}, nil), access.BadSignature},
		"claims of the wrong type":      {with("exp", "never"), access.BadSignature},
		"expired":                       {with("exp", 1_700_000_000), access.ExpiredToken},
		"without an end":                {with("exp", nil), access.ExpiredToken},
		"early":                         {with("nbf", 1_700_000_061), access.EarlyToken},
		"of Entra":                      {with("iss", "https://sts.windows.net/x/"), access.WrongIssuer},
		"of another host":               {with("iss", "https://login.other/adfs"), access.WrongIssuer},
		"of another tenant":             {with("iss", base+"/contoso"), access.WrongIssuer},
		"of a host behind another":      {with("iss", "https://x@"+host+"/adfs"), access.WrongIssuer},
		"without an issuer":             {with("iss", ""), access.WrongIssuer},
		"of a client that is gone":      {with("appid", "gone"), access.UnknownToken},
		"of another secret":             {with("print", strings.Repeat("0", 32)), access.UnknownToken},
		"of no secret":                  {with("print", nil), access.UnknownToken},
		"of a client given to another":  {with("sub", "other"), access.UnknownToken},
	} {
		g, err := d.Verify(c.token)
		if err == nil || !reflect.DeepEqual(g, access.Grant{}) {
			t.Errorf("%s: accepted", name)
			continue
		}
		if got := faultOf(t, err); got != c.want {
			t.Errorf("%s: fault %d, want %d", name, got, c.want)
		}
		if c.token != "" && strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
}

// ownKey is a token that brings the key that it is signed with.
func ownKey(t testing.TB) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, (&jose.SignerOptions{EmbedJWK: true}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokenLifeOfOneHour(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	token := d.token(t)
	d.skip.Add(int64(time.Hour) - 1)
	if g, err := d.Verify(token); err != nil || g.Audience != resource {
		t.Errorf("within the hour: %v", err)
	}
	d.skip.Add(1)
	if _, err := d.Verify(token); err == nil || faultOf(t, err) != access.ExpiredToken {
		t.Errorf("after the hour: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	var g errgroup.Group
	for range 16 {
		g.Go(func() error {
			w := d.post(t, form())
			var answer struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				return err
			}
			for range 4 {
				if _, err := d.Verify(answer.Token); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Another gateway with the same keyring, or the same one after a restart,
// accepts the token at another port, also while its clock is behind.
func TestGatewaysShareTokens(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	raw, err := ring.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := backup.ParseKeyring(raw)
	if err != nil {
		t.Fatal(err)
	}
	one, two := newDesk(t, ring), newDesk(t, again)
	one.skip.Store(int64(30 * time.Second))
	if g, err := two.Verify(one.token(t)); err != nil || g.Caller.ID != "ci" {
		t.Errorf("refused by the other: %v", err)
	}
}

// A key that no longer signs is believed for as long as its last token lives.
func TestRetiredKeys(t *testing.T) {
	t.Parallel()
	ring := backup.NewKeyring()
	old := newDesk(t, ring)
	token := old.token(t)
	ring, _, err := ring.Add(backup.AlgES256)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ring.Keys() {
		if k.Algorithm == backup.AlgEdDSA {
			if ring, err = ring.Retire(k.ID, old.now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := newDesk(t, ring)
	if _, err := d.Verify(token); err != nil {
		t.Errorf("of the retired key: %v", err)
	}
	if fresh := d.token(t); strings.HasPrefix(fresh, strings.SplitN(token, ".", 2)[0]) {
		t.Error("the retired key still signs")
	}
	var set jose.JSONWebKeySet
	keys := func() int {
		if err := json.Unmarshal(d.do(t, "GET", base+"/adfs/discovery/keys", "").Body.Bytes(), &set); err != nil {
			t.Fatal(err)
		}
		return len(set.Keys)
	}
	if keys() != 2 {
		t.Error("the retired key is not shown")
	}
	d.skip.Add(int64(time.Hour))
	if _, err := d.Verify(token); err == nil || faultOf(t, err) != access.BadSignature || keys() != 1 {
		t.Errorf("the retired key outlives its tokens: %v", err)
	}
}

func TestPublicKeyringCannotLogIn(t *testing.T) {
	t.Parallel()
	half, err := backup.NewKeyring().Public()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login.New(login.Options{Keyring: half, Host: host}); err == nil {
		t.Error("accepted")
	}
}
