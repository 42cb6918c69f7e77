package huawei

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// iamBody bounds a body of IAM's: it holds a token at most.
const iamBody = 32 << 10

// loginOp needs no proof: it takes the proof. credentialOp may have it in its
// body.
const (
	loginOp      = via + ".KeystoneCreateUserToken"
	credentialOp = via + ".CreateTemporaryAccessKeyByToken"
)

// iamTimes is how IAM writes a time.
const iamTimes = "2006-01-02T15:04:05.000000Z"

type (
	named struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	userObject struct {
		named
		PasswordExpiresAt string `json:"password_expires_at"`
		Domain            named  `json:"domain"`
	}
	scopedProject struct {
		named
		Domain named `json:"domain"`
	}
	endpointObject struct {
		ID        string `json:"id"`
		Interface string `json:"interface"`
		Region    string `json:"region"`
		RegionID  string `json:"region_id"`
		URL       string `json:"url"`
	}
	serviceObject struct {
		ID        string           `json:"id"`
		Type      string           `json:"type"`
		Name      string           `json:"name"`
		Endpoints []endpointObject `json:"endpoints"`
	}
	tokenObject struct {
		ExpiresAt string          `json:"expires_at"`
		IssuedAt  string          `json:"issued_at"`
		Methods   []string        `json:"methods"`
		User      userObject      `json:"user"`
		Project   *scopedProject  `json:"project,omitempty"`
		Domain    *named          `json:"domain,omitempty"`
		Roles     []named         `json:"roles"`
		Catalog   []serviceObject `json:"catalog,omitempty"`
	}
	tokenAnswer struct {
		Token tokenObject `json:"token"`
	}
)

// createToken is a login. What it hands out is good on every gateway with the
// same keyring.
func (a *api) createToken(r *wire.Request) (wire.Reply, error) {
	body, err := readLogin(r)
	if err != nil {
		return wire.Reply{}, err
	}
	proof, err := a.identify(r, &body.Auth)
	if err != nil {
		return wire.Reply{}, err
	}
	if err := r.Prove(proof.Holder(via)); err != nil {
		return wire.Reply{}, err
	}
	project, err := a.scope(r, body.Auth.Scope, proof.Project)
	if err != nil {
		return wire.Reply{}, err
	}
	made, t, err := a.iam.Issue(proof.Identity, project, body.Auth.Identity.Methods, proof.Expires)
	if err != nil {
		return wire.Reply{}, err
	}
	if err := a.svc.Admit(call(r)); err != nil {
		return wire.Reply{}, err
	}
	return a.answerToken(r, http.StatusCreated, made, t), nil
}

// showToken examines one token by the right of another.
func (a *api) showToken(r *wire.Request) (wire.Reply, error) {
	subject := r.Header.Values("X-Subject-Token")
	if len(subject) != 1 {
		return wire.Reply{}, secret.Errorf(secret.Invalid, "X-Subject-Token is missing, or given twice")
	}
	t, err := a.iam.Verify(subject[0])
	if err != nil {
		return wire.Reply{}, &secret.Error{Kind: secret.NotFound, Detail: "the token in X-Subject-Token is not valid", Err: err}
	}
	return a.answerToken(r, http.StatusOK, subject[0], t), a.svc.Admit(call(r))
}

func (a *api) answerToken(r *wire.Request, status int, text string, t iam.Token) wire.Reply {
	domain := a.domain()
	o := tokenObject{
		ExpiresAt: t.Expires.Format(iamTimes), IssuedAt: t.Issued.Format(iamTimes), Methods: t.Methods, Roles: []named{},
		User: userObject{named: named{t.UserID(), t.Name}, Domain: domain},
	}
	if t.Project == "" {
		o.Domain = &domain
	} else {
		o.Project = &scopedProject{named{t.Project, a.projectName(t.Project)}, domain}
	}
	if r.URL.Query().Get("nocatalog") == "" {
		o.Catalog = a.catalog(r, access.Caller{ID: t.Caller, Via: via}, t.Project)
	}
	h := jsonHeader()
	h.Set("X-Subject-Token", text)
	return wire.Reply{Status: status, Header: h, Body: tokenAnswer{o}}
}

// catalog leads every service that a client may look for to this gateway, as
// the client reached it: in the region of the project, or without one in that
// of every project that the caller may use.
func (a *api) catalog(r *wire.Request, caller access.Caller, project string) []serviceObject {
	var regions []string
	for _, p := range a.projects {
		if project == p.Project || project == "" && a.svc.MayUse(caller, p.Store) {
			regions = append(regions, cmp.Or(p.Name, p.Project))
		}
	}
	if regions == nil {
		regions = []string{everyRegion}
	}
	var out []serviceObject
	for _, kind := range []string{"kms", "csms", "iam"} {
		s := serviceObject{ID: iam.ID("service", kind), Type: kind, Name: kind}
		for _, region := range regions {
			s.Endpoints = append(s.Endpoints, endpointObject{iam.ID("endpoint", kind+"/"+region), "public", region, region, baseURL(r)})
		}
		out = append(out, s)
	}
	return out
}

// everyRegion is where the services of a caller without a project are;
// inferred from how IAM shows those that are in no region.
const everyRegion = "*"

func baseURL(r *wire.Request) string {
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}

func (a *api) domain() named { return named{iam.ID("domain", a.iam.Domain()), a.iam.Domain()} }

// projectName is "" for none.
func (a *api) projectName(id string) string {
	for _, p := range a.projects {
		if p.Project == id {
			return cmp.Or(p.Name, p.Project)
		}
	}
	return ""
}

type (
	selfLink struct {
		Self string `json:"self"`
	}
	listLinks struct {
		Self     string  `json:"self"`
		Next     *string `json:"next"`
		Previous *string `json:"previous"`
	}
	projectObject struct {
		named
		DomainID    string   `json:"domain_id"`
		ParentID    string   `json:"parent_id"`
		Enabled     bool     `json:"enabled"`
		IsDomain    bool     `json:"is_domain"`
		Description string   `json:"description"`
		Links       selfLink `json:"links"`
	}
	projectsAnswer struct {
		Projects []projectObject `json:"projects"`
		Links    listLinks       `json:"links"`
	}
	domainObject struct {
		named
		Enabled     bool     `json:"enabled"`
		Description string   `json:"description"`
		Links       selfLink `json:"links"`
	}
	domainsAnswer struct {
		Domains []domainObject `json:"domains"`
		Links   listLinks      `json:"links"`
	}
)

// listProjects shows those whose store the caller may use at all. Clients look
// up their project by the name of their region, and want exactly one.
func (a *api) listProjects(r *wire.Request) (wire.Reply, error) {
	q, domain := r.URL.Query(), a.domain()
	at := baseURL(r) + "/v3/projects"
	out := projectsAnswer{Projects: []projectObject{}, Links: listLinks{Self: at}}
	for _, p := range a.projects {
		name := cmp.Or(p.Name, p.Project)
		switch {
		case !a.svc.MayUse(r.Caller, p.Store):
		case q.Has("name") && q.Get("name") != name, q.Has("domain_id") && q.Get("domain_id") != domain.ID,
			q.Has("parent_id") && q.Get("parent_id") != domain.ID, q.Get("enabled") == "false", q.Get("is_domain") == "true":
		default:
			out.Projects = append(out.Projects, projectObject{
				named: named{p.Project, name}, DomainID: domain.ID, ParentID: domain.ID, Enabled: true, Links: selfLink{at + "/" + p.Project},
			})
		}
	}
	out.Projects = pageOfProjects(out.Projects, q)
	return wire.Reply{Status: http.StatusOK, Header: jsonHeader(), Body: out}, a.svc.Admit(call(r))
}

// pageOfProjects cuts out what page and per_page ask for. Without them it is
// all; what is no number counts as nothing said.
func pageOfProjects(all []projectObject, q url.Values) []projectObject {
	size, err := strconv.Atoi(q.Get("per_page"))
	if err != nil || size < 1 {
		size = len(all)
	}
	page, err := strconv.Atoi(q.Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	if page > 1 && page > (len(all)+size-1)/max(size, 1) {
		return []projectObject{}
	}
	from := (page - 1) * size
	return all[from:min(from+size, len(all))]
}

func (a *api) listDomains(r *wire.Request) (wire.Reply, error) {
	d := a.domain()
	at := baseURL(r) + "/v3/auth/domains"
	out := domainsAnswer{
		Domains: []domainObject{{named: d, Enabled: true, Links: selfLink{baseURL(r) + "/v3/domains/" + d.ID}}},
		Links:   listLinks{Self: at},
	}
	return wire.Reply{Status: http.StatusOK, Header: jsonHeader(), Body: out}, a.svc.Admit(call(r))
}

type catalogAnswer struct {
	Catalog []serviceObject `json:"catalog"`
	Links   listLinks       `json:"links"`
}

// showCatalog is what a token's own catalog says.
func (a *api) showCatalog(r *wire.Request) (wire.Reply, error) {
	out := catalogAnswer{a.catalog(r, r.Caller, a.scopeOf(r)), listLinks{Self: baseURL(r) + "/v3/auth/catalog"}}
	return wire.Reply{Status: http.StatusOK, Header: jsonHeader(), Body: out}, a.svc.Admit(call(r))
}

// scopeOf is the project that a proved request is for: its token's, its
// temporary key's, or the one that the signer names and may use. "": none.
func (a *api) scopeOf(r *wire.Request) string {
	auth, err := sdkhmac.Parse(r.Header.Get("Authorization"))
	if err != nil { // a token alone
		t, _ := a.iam.Verify(r.Header.Get("X-Auth-Token"))
		return t.Project
	}
	if s, err := a.iam.Open(auth.Access, r.Header.Get("X-Security-Token")); err == nil && s.Project != "" {
		return s.Project
	}
	named := r.Header.Get("X-Project-Id")
	if store, ok := a.stores[named]; !ok || !a.svc.MayUse(r.Caller, store) {
		return ""
	}
	return named
}

type credentialAnswer struct {
	Credential struct {
		Access        string `json:"access"`
		Secret        string `json:"secret"`
		SecurityToken string `json:"securitytoken"`
		ExpiresAt     string `json:"expires_at"`
	} `json:"credential"`
}

// createCredential makes a temporary access key for the holder of a token.
func (a *api) createCredential(r *wire.Request) (wire.Reply, error) {
	body, err := readLogin(r)
	if err != nil {
		return wire.Reply{}, err
	}
	id := body.Auth.Identity
	switch {
	case !slices.Equal(id.Methods, []string{methodToken}):
		return wire.Reply{}, secret.Errorf(secret.Unsupported, "temporary keys are made from a token: methods must be [%q]", methodToken)
	case id.Policy != nil && string(id.Policy) != "null": // to ignore it would give more than was asked for
		return wire.Reply{}, secret.Errorf(secret.Unsupported, "a policy for temporary keys is not served by this gateway")
	}
	const shortest, longest = int(iam.MinSession / time.Second), int(iam.MaxSession / time.Second)
	text, life := r.Header.Get("X-Auth-Token"), shortest
	if id.Token != nil {
		text = cmp.Or(id.Token.ID, text)
		life = cmp.Or(int(id.Token.Duration), life)
	}
	if life < shortest || life > longest { // before it is multiplied: the product may wrap
		return wire.Reply{}, secret.Errorf(secret.Invalid, "duration_seconds is not between %s and %s",
			strconv.Itoa(shortest), strconv.Itoa(longest))
	}
	t, err := a.holder(r, text)
	if err != nil {
		return wire.Reply{}, err
	}
	if err := r.Prove(t.Holder(via)); err != nil {
		return wire.Reply{}, err
	}
	c, err := a.iam.Temporary(t.Identity, t.Project, time.Duration(life)*time.Second, t.Expires)
	if err != nil {
		return wire.Reply{}, err
	}
	var out credentialAnswer
	out.Credential.Access, out.Credential.Secret = c.Access, string(c.Secret.Reveal())
	out.Credential.SecurityToken, out.Credential.ExpiresAt = string(c.SecurityToken.Reveal()), c.Expires.Format(iamTimes)
	return wire.Reply{Status: http.StatusCreated, Header: jsonHeader(), Body: out}, a.svc.Admit(call(r))
}

// holder is whose token it is, or where none is given, who signed the request
// with a configured key.
func (a *api) holder(r *wire.Request, text string) (iam.Token, error) {
	if text != "" {
		return a.anyToken(r, text)
	}
	auth, err := sdkhmac.Parse(r.Header.Get("Authorization"))
	if err != nil {
		return iam.Token{}, refusedLogin("there is no token", nil)
	}
	who, ok := a.iam.OfKey(auth.Access)
	if !ok {
		return iam.Token{}, secret.Errorf(secret.Denied, "a temporary key makes no other")
	}
	return iam.Token{Identity: who}, nil
}

// refusedLogin tells nothing of which part was wrong.
func refusedLogin(detail string, cause error) error {
	return &secret.Error{Kind: secret.Unauthenticated, Detail: detail, Err: cause}
}

// The shape of an error of IAM's.
type (
	iamError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Title   string `json:"title"`
	}
	iamErrorBody struct {
		Error iamError `json:"error"`
	}
)

// iamStatus has a row for every kind.
var iamStatus = map[secret.Kind]int{
	secret.Internal: 500, secret.NotFound: 404, secret.Trashed: 500, secret.AlreadyExists: 409, secret.Disabled: 403,
	secret.Invalid: 400, secret.TooLarge: 413, secret.Unauthenticated: 401, secret.Denied: 403, secret.Conflict: 409,
	secret.Unsupported: 400, secret.Throttled: 429, secret.Unavailable: 503, secret.Unknown: 503, secret.Partial: 500,
	secret.Upstream: 503, secret.Corrupt: 400, secret.Lossy: 400, secret.NoKey: 400,
}

// answerIAM shapes err as IAM's older paths do: the code is a number, so that
// the SDKs show the whole body as the message.
func answerIAM(err error) wire.Reply {
	status := iamStatus[secret.KindOf(err)]
	switch {
	case errors.Is(err, wire.ErrBodySize):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, wire.ErrBodyRead):
		status = http.StatusBadRequest
	}
	title, h := http.StatusText(status), jsonHeader()
	if s := wire.RetryAfter(err); s != "" {
		h.Set("Retry-After", s)
	}
	return wire.Reply{Status: status, Header: h, Body: iamErrorBody{iamError{status, cmp.Or(secret.DetailOf(err), title), title}}}
}
