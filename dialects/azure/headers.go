package azure

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

// Values shared by all answers; net/http only reads them.
var (
	noCache        = []string{"no-cache"}
	expired        = []string{"-1"}
	transport      = []string{"max-age=31536000;includeSubDomains"}
	noSniff        = []string{"nosniff"}
	regionValue    = []string{region}
	serviceVersion = []string{"1.9.2421.1"}
	jsonHeader     = http.Header{"Content-Type": {"application/json; charset=utf-8"}}
)

const region = "local"

// Prepare implements wire.Edge: the headers of every answer, spelled as the
// service spells them.
func (d *Dialect) Prepare(h http.Header, r *wire.Request) {
	h["Date"] = d.date.line(d.now())
	h["Cache-Control"], h["Pragma"], h["Expires"] = noCache, noCache, expired
	h["Strict-Transport-Security"], h["X-Content-Type-Options"] = transport, noSniff
	h["x-ms-keyvault-region"], h["x-ms-keyvault-service-version"] = regionValue, serviceVersion
	h["x-ms-request-id"] = r.HeaderValue(r.ID)
	h["x-ms-keyvault-network-info"] = r.HeaderValue(networkInfo(r.Address))
	if sent := r.Header["X-Ms-Client-Request-Id"]; len(sent) > 0 {
		h["x-ms-client-request-id"] = sent[:1]
	}
}

// dateHeader is the Date of all answers of one second.
type dateHeader struct{ last atomic.Pointer[dateLine] }

type dateLine struct {
	second int64
	line   []string
}

func (d *dateHeader) line(now time.Time) []string {
	if l := d.last.Load(); l != nil && l.second == now.Unix() {
		return l.line
	}
	l := &dateLine{now.Unix(), []string{now.UTC().Format(http.TimeFormat)}}
	d.last.Store(l)
	return l.line
}

// networkInfo for IPv6 is inferred.
func networkInfo(address string) string {
	if strings.Contains(address, ":") {
		return "conn_type=Ipv6;addr=" + address + ";act_addr_fam=InterNetworkV6;"
	}
	return "conn_type=Ipv4;addr=" + address + ";act_addr_fam=InterNetwork;"
}
