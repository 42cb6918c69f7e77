package access_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/pki"
)

// clients is an authority for clients, at noon.
type clients struct {
	*pki.Authority
}

func newClients(t *testing.T) clients {
	t.Helper()
	ca, err := pki.New(noon.Add(-24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return clients{ca}
}

// from is a connection with a certificate that lasts an hour, at noon.
func (c clients) from(t *testing.T, names ...string) access.From {
	t.Helper()
	pair, err := c.IssueClient(names, noon.Add(-time.Hour), noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return connection(t, pair)
}

func connection(t *testing.T, pair pki.Pair) access.From {
	t.Helper()
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return access.From{Via: "azure", Address: "192.0.2.1", Time: noon, TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}}
}

func add(t *testing.T, c *access.Credentials, known access.Subject, caller string) {
	t.Helper()
	if err := c.AddCertificate(known, access.Credential{Caller: caller}); err != nil {
		t.Fatal(err)
	}
}

const workload = "spiffe://corp.example/payments/app"

func TestPeers(t *testing.T) {
	t.Parallel()
	ca, other := newClients(t), newClients(t)
	c := access.NewCredentials()
	c.TrustClients(ca.Pool(), false)
	pinned := ca.from(t)
	add(t, c, access.Subject{URI: workload}, "spiffe")
	add(t, c, access.Subject{URI: "urn:uuid:1"}, "uri")
	add(t, c, access.Subject{DNS: "App.corp.example"}, "dns")
	add(t, c, access.Subject{DNS: "*.wild.example"}, "wild")
	add(t, c, access.Subject{Email: "App@CORP.example"}, "email")
	add(t, c, access.Subject{PublicKey: sha256.Sum256(pinned.TLS.PeerCertificates[0].RawSubjectPublicKeyInfo)}, "pinned")
	if c.AddCertificate(access.Subject{DNS: "app.CORP.example"}, access.Credential{Caller: "twin"}) == nil {
		t.Error("one name is of two callers")
	}
	for _, want := range []struct {
		id, credential string
		from           access.From
	}{
		{"spiffe", "certificate:" + workload, ca.from(t, workload)},
		{"uri", "certificate:urn:uuid:1", ca.from(t, "urn:uuid:1", "urn:uuid:2")},
		{"dns", "certificate:dns:app.corp.example", ca.from(t, "app.corp.example")},
		{"dns", "certificate:dns:app.corp.example", ca.from(t, "more.corp.example", "APP.corp.example")},
		{"email", "certificate:email:App@corp.example", ca.from(t, "App@corp.example")},
		{"pinned", "", pinned},
		{"", "", ca.from(t, "app@corp.example")},                  // the user's part counts as it is
		{"", "", ca.from(t, workload, "spiffe://corp.example/x")}, // SPIFFE wants one alone
		{"", "", ca.from(t, workload+"/x")},
		{"", "", ca.from(t, "x.app.corp.example", "corp.example", "a.wild.example")},
		{"", "", access.From{Time: noon}},
		{"", "", access.From{Time: noon, TLS: &tls.ConnectionState{}}},
	} {
		for range 2 { // the second time it is known
			who, err := c.Peer(want.from)
			if err != nil || who.ID != want.id || want.credential != "" && who.Credential != want.credential {
				t.Errorf("want %q: %+v, %v", want.id, who, err)
			}
		}
	}
	late, early := ca.from(t, workload), ca.from(t, workload)
	late.Time, early.Time = noon.Add(time.Hour+time.Second), noon.Add(-time.Hour-time.Second)
	server, err := ca.Issue([]string{"app.corp.example"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]access.From{
		"expired": late, "not yet": early, "another authority": other.from(t, workload), "a server's": connection(t, server),
		"of two callers": ca.from(t, workload, "app.corp.example"),
	} {
		if who, err := c.Peer(from); !errors.Is(err, access.ErrCertificate) || who.ID != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if err := c.Check(access.Caller{ID: "spiffe"}, from); err == nil {
			t.Errorf("%s: a token beside it is taken", name)
		}
	}
	if err := c.AddCertificate(access.Subject{URI: workload + "/old"}, access.Credential{Caller: "old", Bounds: access.Bounds{Expires: noon}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Peer(ca.from(t, workload+"/old")); !access.Ended(err) {
		t.Errorf("a caller's certificate that has ended: %v", err)
	}
}

// TestPeerIsJudgedAgain: what was good a moment ago is not when it ends, though
// the connection lasts.
func TestPeerIsJudgedAgain(t *testing.T) {
	t.Parallel()
	ca := newClients(t)
	c := access.NewCredentials()
	c.TrustClients(ca.Pool(), false)
	add(t, c, access.Subject{URI: workload}, "app")
	from := ca.from(t, workload)
	for _, after := range []time.Duration{0, time.Hour, time.Hour + time.Nanosecond, 0} {
		from.Time = noon.Add(after)
		if _, err := c.Peer(from); (err == nil) != (after <= time.Hour) {
			t.Errorf("after %v: %v", after, err)
		}
	}
	if who, err := access.NewCredentials().Peer(from); err != nil || who.ID != "" {
		t.Errorf("nobody is asked for a certificate: %v, %v", who, err)
	}
}

// TestOtherPeer: a credential of one caller and a certificate of another are
// nobody's; a certificate of nobody's does no harm.
func TestOtherPeer(t *testing.T) {
	t.Parallel()
	ca := newClients(t)
	c := access.NewCredentials()
	c.TrustClients(ca.Pool(), false)
	add(t, c, access.Subject{URI: workload}, "app")
	if err := c.AddToken(sha256.Sum256([]byte("tok")), access.Credential{Caller: "other", Name: "t"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bearer("tok", ca.from(t, workload), nil); err == nil || err.Error() != "token:t of other came with a certificate of app" {
		t.Error(err)
	}
	if who, err := c.Bearer("tok", ca.from(t, "nobody.example"), nil); err != nil || who.ID != "other" {
		t.Errorf("%v, %v", who, err)
	}
	if got := peerOf(t, c, ca.from(t, workload)); got != "app" {
		t.Errorf("the certificate alone is %q's", got)
	}
}

func peerOf(t *testing.T, c *access.Credentials, from access.From) string {
	t.Helper()
	who, err := c.Peer(from)
	if err != nil {
		t.Fatal(err)
	}
	return who.ID
}

// TestACertificateThatIsDemanded: a connection that began before one was wanted
// proves nobody any more, whatever else it sends.
func TestACertificateThatIsDemanded(t *testing.T) {
	t.Parallel()
	ca := newClients(t)
	bare := access.From{Via: "azure", Address: "192.0.2.1", Time: noon, TLS: &tls.ConnectionState{}}
	local := access.From{Via: "identity", Address: "127.0.0.1", Time: noon}
	for _, demanded := range []bool{false, true} {
		c := access.NewCredentials()
		c.TrustClients(ca.Pool(), demanded)
		add(t, c, access.Subject{URI: workload}, "app")
		for what, from := range map[string]access.From{"bare": bare, "local": local, "proved": ca.from(t, workload)} {
			want := demanded && what == "bare"
			_, err := c.Peer(from)
			if errors.Is(err, access.ErrCertificate) != want || !want && err != nil {
				t.Errorf("demanded %v, %s: %v", demanded, what, err)
			}
			if err := c.Check(access.Caller{ID: "app"}, from); errors.Is(err, access.ErrCertificate) != want || !want && err != nil {
				t.Errorf("demanded %v, %s, with another credential: %v", demanded, what, err)
			}
		}
	}
}
