package azurekv

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/kit"
)

// Limits of one answer.
const (
	maxAnswer = 8 << 20  // far above a page of 25 or the largest value
	maxBackup = 64 << 20 // far above 500 versions, encoded twice
)

func newTransport(c *Config) (*http.Transport, error) {
	return kit.Transport{Roots: c.roots(), Conns: readers, Dial: c.Dial}.Open()
}

// plainClient follows no redirect: a token never goes where the configuration
// did not send it.
func plainClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// vaultOnly refuses every host but the vault's: a page's nextLink is followed
// as it is, token included.
type vaultOnly struct {
	host string // with port
	room *tagRoom
	next http.RoundTripper
}

func newVaultOnly(vault *url.URL, next http.RoundTripper, room *tagRoom) vaultOnly {
	return vaultOnly{host: hostPort(vault), room: room, next: kit.Metered{Next: next, MaxAnswer: maxAnswerTo, Proves: hasToken}}
}

// RoundTrip implements http.RoundTripper.
func (v vaultOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || hostPort(r.URL) != v.host {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errForeignHost
	}
	resp, err := v.next.RoundTrip(r)
	if err == nil {
		v.room.learn(resp)
		siftList(r, resp)
	}
	return resp, err
}

// siftList keeps an entry of a list that the vendor's client does not decode from
// hiding the others. Danger: versions are never sifted, for one of which less is
// known than the vault said may be disabled.
func siftList(r *http.Request, resp *http.Response) {
	if r.Method != http.MethodGet {
		return
	}
	switch strings.Trim(r.URL.Path, "/") {
	case "secrets":
		kit.SiftAnswer(resp, "value", func(b []byte) error { return json.Unmarshal(b, new(azsecrets.SecretProperties)) }, "id")
	case "deletedsecrets":
		kit.SiftAnswer(resp, "value", func(b []byte) error { return json.Unmarshal(b, new(azsecrets.DeletedSecretProperties)) }, "id")
	}
}

var errForeignHost = fmt.Errorf("the vault sent a link to another host: %w", kit.ErrMalformed)

func maxAnswerTo(r *http.Request) int64 {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/backup") {
		return maxBackup
	}
	return maxAnswer
}

// hasToken is false for the request that only asks for the vault's challenge.
func hasToken(r *http.Request) bool { return r.Header.Get("Authorization") != "" }

// hostPort is the host in the form that tells https://h from https://h:444 but
// not from https://h:443.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
