package access

import (
	"regexp"
	"strings"
)

// Entra is what the URL of one of Entra's issuers says.
type Entra struct {
	Tenant  string // its id; empty: the URL names none
	Version string // of the tokens: 1.0 or 2.0
}

var tenantID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// EntraIssuer reads the URL of an issuer. It is false for those of others. Each
// of Microsoft's clouds has hosts of its own.
func EntraIssuer(issuer string) (Entra, bool) {
	rest, ok := strings.CutPrefix(issuer, "https://")
	if !ok {
		return Entra{}, false
	}
	host, path, _ := strings.Cut(rest, "/")
	var e Entra
	switch strings.ToLower(host) {
	case "sts.windows.net", "sts.chinacloudapi.cn":
		e.Version = "1.0"
		e.Tenant, ok = strings.CutSuffix(path, "/")
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn":
		e.Version = "2.0"
		e.Tenant, ok = strings.CutSuffix(path, "/v2.0")
	default:
		return Entra{}, false
	}
	if !ok || !tenantID.MatchString(e.Tenant) || host != strings.ToLower(host) {
		e.Tenant = ""
	}
	return e, true
}
