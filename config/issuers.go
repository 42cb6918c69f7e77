package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Issuer is an OpenID Connect issuer, or a trust domain of SPIFFE, whose tokens
// prove callers: see `callers[].identities`.
type Issuer struct {
	// Name is what callers, groups, the log and the audit call the issuer.
	Name string `mapstructure:"name" required:"true" example:"entra"`
	// Issuer is the URL that tokens have as `iss`, to the letter; or `spiffe://` and a trust domain, whose tokens have none.
	Issuer string `mapstructure:"issuer" default:"that of the token in bearer_token_file" example:"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"`
	// JWKSURL is where the issuer's keys are, if its discovery document does not name them, or names a place that this
	// gateway does not reach.
	JWKSURL string `mapstructure:"jwks_url" default:"that of the discovery document" example:"https://kubernetes.default.svc/openid/v1/jwks"`
	// JWKSFile is a file with the issuer's keys, in the place of those that the gateway fetches.
	JWKSFile string `mapstructure:"jwks_file" path:"true" example:"keys/cluster.json"`
	// CAFile is a PEM file of the certificate authorities that the issuer's certificate must come from; the system's, if it
	// is empty.
	CAFile string `mapstructure:"ca_file" path:"true" example:"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"`
	// BearerTokenFile holds a token that the gateway shows where it fetches the keys; it is read each time.
	BearerTokenFile string `mapstructure:"bearer_token_file" path:"true" loaded:"false" example:"/var/run/secrets/kubernetes.io/serviceaccount/token"`
	// Audiences are what a token may have as `aud` to be sent with each request, to the letter; without any, no token of the issuer
	// may. For Entra they are the App ID URI and the client id of the application that stands for this gateway.
	Audiences []string `mapstructure:"audiences" example:"[ 'https://vault.corp.example', '99999999-8888-7777-6666-555555555555' ]"`
	// AssertionAudiences are what a token may have as `aud` to be sent to `login.host` as a `client_assertion`.
	AssertionAudiences []string `mapstructure:"assertion_audiences" default:"[api://AzureADTokenExchange]" example:"['api://vaultferry']"`
	// Algorithms are those that the issuer may sign with.
	Algorithms []string `mapstructure:"algorithms" default:"[RS256, ES256]" example:"[PS256]"`
	// MaxLife is how long a token may live altogether; one that lives longer, or without end, is refused. Tokens of managed
	// identities live for a day.
	MaxLife time.Duration `mapstructure:"max_life" example:"2h"`
	// ExpirationLeeway is how long after its end a token is accepted.
	ExpirationLeeway time.Duration `mapstructure:"expiration_leeway" example:"30s"`
	// NotBeforeLeeway is how long before it begins a token is accepted, beside the minute that every clock is given.
	NotBeforeLeeway time.Duration `mapstructure:"not_before_leeway" example:"2m"`
}

// TokenExchange is the audience of assertions that every cloud's documents name.
const TokenExchange = "api://AzureADTokenExchange" //nolint:gosec // an audience

const maxLife = 25 * time.Hour

// SetDefaults fills what is empty.
func (i *Issuer) SetDefaults() {
	if len(i.AssertionAudiences) == 0 {
		i.AssertionAudiences = []string{TokenExchange}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"RS256", "ES256"}
	}
	i.MaxLife = cmp.Or(i.MaxLife, maxLife)
}

// Choices lists the words that a key takes.
func (Issuer) Choices() map[string][]string { return map[string][]string{"algorithms": algorithms} }

// algorithms are those with two keys: a public one makes no token.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Identity says which tokens of an issuer are a caller's: those for which all of
// it holds.
type Identity struct {
	// Issuer is the `name` of one of `issuers`.
	Issuer string `mapstructure:"issuer" required:"true" example:"entra"`
	// BoundAudiences are some of the issuer's audiences: a token must be for one of them.
	BoundAudiences []string `mapstructure:"bound_audiences" default:"all of the issuer's" example:"['https://vault.corp.example']"`
	// BoundSubject is the token's `sub`, to the letter.
	BoundSubject string `mapstructure:"bound_subject" example:"system:serviceaccount:payments:app"`
	// BoundClaims are claims that the token must have.
	BoundClaims []BoundClaim `mapstructure:"bound_claims" example:"[ { claim: oid, values: ['aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'] } ]"`
	// BoundClaimsType says whether values of `bound_claims` are compared letter by letter, or are patterns in which `*` is any
	// text and `?` one character.
	BoundClaimsType string `mapstructure:"bound_claims_type"`
	// UserClaim is the claim that goes to the audit, as who used the caller; a token without it is refused.
	UserClaim string `mapstructure:"user_claim" default:"sub, and of Entra oid" example:"actor_id"`
	// GroupsClaim is the claim with names of groups: the caller is in each that `groups[].claims` names.
	GroupsClaim string `mapstructure:"groups_claim" example:"groups"`
	Bound       `mapstructure:",squash"`
}

// Words of bound_claims_type.
const (
	claimsText = "string"
	claimsGlob = "glob"
)

// Glob reports whether values of bound claims are patterns.
func (i Identity) Glob() bool { return i.BoundClaimsType == claimsGlob }

// SetDefaults fills what is empty.
func (i *Identity) SetDefaults() { i.BoundClaimsType = cmp.Or(i.BoundClaimsType, claimsText) }

// Choices lists the words that a key takes.
func (Identity) Choices() map[string][]string {
	return map[string][]string{"bound_claims_type": {claimsText, claimsGlob}}
}

// BoundClaim is a claim with the values of which the token must have one.
type BoundClaim struct {
	// Claim is the name of a claim, or a JSON pointer to one inside another: `/kubernetes.io/namespace`.
	Claim string `mapstructure:"claim" required:"true" example:"repository_id"`
	// Values are those of which the token has one; a number or a boolean is written as text.
	Values []string `mapstructure:"values" required:"true" example:"['123456789']"`
}

// ClientKey is a public key whose private half proves a client.
type ClientKey struct {
	// File is a PEM file of a certificate or a public key.
	File  string `mapstructure:"file" path:"true" required:"true" example:"keys/app-cert.pem"`
	Bound `mapstructure:",squash"`
}

// GroupClaim is a value of a groups claim.
type GroupClaim struct {
	// Issuer is the `name` of one of `issuers`.
	Issuer string `mapstructure:"issuer" required:"true" example:"entra"`
	// Value is what the token has.
	Value string `mapstructure:"value" required:"true" example:"'77777777-6666-5555-4444-333333333333'"`
}

func (c *Config) validateIssuers(rep *report) {
	seen, urls := map[string]bool{}, map[string]bool{}
	for n, i := range c.Issuers {
		at := fmt.Sprintf("issuers[%d]", n)
		switch {
		case i.Name == "":
			rep.bad(at+".name", "missing")
		case !storeName.MatchString(i.Name):
			rep.bad(at+".name", "letters, digits and ._- are allowed, 63 at most, a letter or digit first")
		case seen[i.Name]:
			rep.bad(at+".name", "%q is the name of an earlier issuer too", i.Name)
		}
		seen[i.Name] = true
		i.validateURL(rep, at)
		if urls[i.Issuer] && i.Issuer != "" {
			rep.bad(at+".issuer", "an earlier issuer has the same URL")
		}
		urls[i.Issuer] = true
		i.validateKeys(rep, at)
		i.validateAudiences(rep, at, c.Login.Host != "")
		for j, a := range i.Algorithms {
			if !slices.Contains(algorithms, a) {
				rep.bad(fmt.Sprintf("%s.algorithms[%d]", at, j), "use %s", anyOf(algorithms))
			}
		}
		if !slices.ContainsFunc(c.Callers, func(c Caller) bool {
			return slices.ContainsFunc(c.Identities, func(id Identity) bool { return id.Issuer == i.Name })
		}) && i.Name != "" {
			rep.warn(at, "no caller has an identity of it, so its tokens open nothing")
		}
	}
}

func (i *Issuer) validateURL(rep *report, at string) {
	if i.Issuer == "" {
		if i.BearerTokenFile == "" {
			rep.bad(at+".issuer", "missing; only with bearer_token_file it may be, and is then that token's")
		}
		return
	}
	if i.Domain() != "" {
		if i.JWKSURL == "" && i.JWKSFile == "" {
			rep.bad(at+".jwks_url", "missing: a trust domain has no discovery document; jwks_file will do as well")
		}
		return
	}
	u, err := url.Parse(i.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		rep.bad(at+".issuer", "not an https URL without a query, nor spiffe:// and a trust domain")
		return
	}
	entra, ok := access.EntraIssuer(i.Issuer)
	switch {
	case !ok:
	case entra.Tenant == "":
		rep.bad(at+".issuer", "an issuer of Entra is https://login.microsoftonline.com/TENANT-ID/v2.0, or https://sts.windows.net/TENANT-ID/ for tokens of version 1.0; the tenant is an id, for names may change hands")
	}
}

// Domain is the trust domain of SPIFFE; empty: it is an issuer of OpenID Connect.
func (i *Issuer) Domain() string {
	domain, ok := strings.CutPrefix(i.Issuer, "spiffe://")
	if !ok || !hostName.MatchString(domain) {
		return ""
	}
	return domain
}

func (i *Issuer) validateKeys(rep *report, at string) {
	if i.JWKSURL != "" && i.JWKSFile != "" {
		rep.bad(at, "either jwks_url or jwks_file")
	}
	if u, err := url.Parse(i.JWKSURL); i.JWKSURL != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		rep.bad(at+".jwks_url", "not an https URL")
	}
	if i.JWKSFile != "" && (i.CAFile != "" || (i.BearerTokenFile != "" && i.Issuer != "")) {
		rep.warn(at+".jwks_file", "nothing is fetched, so ca_file and bearer_token_file do nothing")
	}
}

// keyVault are the audiences of tokens for the vendor's own service.
var keyVault = []string{"https://vault.azure.net", "https://vault.azure.net/", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}

func (i *Issuer) validateAudiences(rep *report, at string, login bool) {
	for j, a := range i.Audiences {
		if slices.Contains(keyVault, strings.TrimPrefix(strings.ToLower(a), "spn:")) {
			rep.warn(fmt.Sprintf("%s.audiences[%d]", at, j), "a token for the real Key Vault is accepted: whoever runs this gateway, or reads its memory, can open the real Key Vault with what clients send; use an audience of your own")
		}
		if a == TokenExchange {
			rep.warn(fmt.Sprintf("%s.audiences[%d]", at, j), "a token that is meant to be exchanged for another is accepted with each request; leave it to assertion_audiences")
		}
	}
	if slices.Contains(append(slices.Clone(i.Audiences), i.AssertionAudiences...), "") {
		rep.bad(at+".audiences", "an audience is empty")
	}
	if len(i.Audiences) == 0 && !login {
		rep.warn(at+".audiences", "missing, and login.host too, so no token of it is accepted")
	}
}

// names of people, which somebody else may have tomorrow.
var mutableClaims = []string{"upn", "unique_name", "preferred_username", "email", "name", "given_name", "family_name", "app_displayname", "verified_primary_email"}

// isMutable reports whether the claim, or the JSON pointer, is one of mutableClaims.
func isMutable(claim string) bool {
	path := access.ClaimPath(claim)
	return len(path) == 1 && slices.Contains(mutableClaims, path[0])
}

func (c *Config) validateIdentities(rep *report, at string, caller *Caller) {
	for j, id := range caller.Identities {
		path := fmt.Sprintf("%s.identities[%d]", at, j)
		n := slices.IndexFunc(c.Issuers, func(i Issuer) bool { return i.Name == id.Issuer })
		switch {
		case id.Issuer == "":
			rep.bad(path+".issuer", "missing")
			continue
		case n < 0:
			rep.bad(path+".issuer", "there is no issuer %q", id.Issuer)
			continue
		}
		issuer := c.Issuers[n]
		if len(issuer.Audiences) == 0 && caller.Client == nil {
			rep.warn(path, "issuer %s has no audiences, so its tokens are good for logging in alone, and the caller has no client to log in as", issuer.Name)
		}
		for k, a := range id.BoundAudiences {
			if !slices.Contains(issuer.Audiences, a) && !slices.Contains(issuer.AssertionAudiences, a) {
				rep.bad(fmt.Sprintf("%s.bound_audiences[%d]", path, k), "not an audience of issuer %s", issuer.Name)
			}
		}
		if id.BoundSubject == "" && len(id.BoundClaims) == 0 {
			rep.bad(path, "neither bound_subject nor bound_claims: whoever the issuer knows would be this caller")
		}
		if !slices.Contains(id.Choices()["bound_claims_type"], id.BoundClaimsType) {
			rep.bad(path+".bound_claims_type", "use %s", anyOf(id.Choices()["bound_claims_type"]))
		}
		id.validateClaims(rep, path, issuer)
		id.validate(rep, path)
	}
}

func (i *Identity) validateClaims(rep *report, at string, issuer Issuer) {
	entra, isEntra := access.EntraIssuer(issuer.Issuer)
	for j, b := range i.BoundClaims {
		path := fmt.Sprintf("%s.bound_claims[%d]", at, j)
		if len(b.Values) == 0 {
			rep.bad(path+".values", "missing")
		}
		for k, v := range b.Values {
			if v == "" || i.Glob() && strings.Trim(v, "*") == "" {
				rep.bad(fmt.Sprintf("%s.values[%d]", path, k), "every token has it: say what it must be")
			}
		}
		switch {
		case b.Claim == "":
			rep.bad(path+".claim", "missing")
		case isEntra && isMutable(b.Claim):
			rep.bad(path+".claim", "Entra's names may change hands: bind oid, roles or groups")
		case isEntra && slices.Equal(access.ClaimPath(b.Claim), []string{otherVersion(entra.Version)}):
			rep.bad(path+".claim", "tokens of this issuer have no %s: those of version 1.0 have appid, of 2.0 azp", b.Claim)
		}
	}
	if isEntra && isMutable(i.UserClaim) {
		rep.warn(at+".user_claim", "Entra's names may change hands: the audit will not tell who it was; oid does")
	}
}

// otherVersion is the claim for the client that tokens of the version lack.
func otherVersion(version string) string {
	if version == "1.0" {
		return "azp"
	}
	return "appid"
}

func (c *Config) validateGroupClaims(rep *report, at string, claims []GroupClaim) {
	for j, g := range claims {
		path := fmt.Sprintf("%s.claims[%d]", at, j)
		switch {
		case g.Issuer == "":
			rep.bad(path+".issuer", "missing")
		case !slices.ContainsFunc(c.Issuers, func(i Issuer) bool { return i.Name == g.Issuer }):
			rep.bad(path+".issuer", "there is no issuer %q", g.Issuer)
		case !slices.ContainsFunc(c.Callers, func(c Caller) bool {
			return slices.ContainsFunc(c.Identities, func(i Identity) bool { return i.Issuer == g.Issuer && i.GroupsClaim != "" })
		}):
			rep.warn(path, "no caller has a groups_claim of issuer %s", g.Issuer)
		}
		if g.Value == "" || secret.Name(g.Value).Validate() != nil {
			rep.bad(path+".value", "missing, or too long, or with control characters")
		}
	}
}
