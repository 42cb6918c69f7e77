package huawei

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/secret"
)

// Methods of a login.
const (
	methodPassword = "password"
	methodToken    = "token"
	methodKey      = "hw_ak_sk" // as the library of the Terraform provider sends it
)

// loginBody is a request for a token. It holds what must not be printed.
// Members that are not here are ignored, as IAM does.
type loginBody struct {
	Auth authBody `json:"auth"`
}

type (
	authBody struct {
		Identity identityBody `json:"identity"`
		Scope    *scopeBody   `json:"scope"`
	}
	identityBody struct {
		Methods  []string `json:"methods"`
		Password *struct {
			User struct {
				ID       string    `json:"id"`
				Name     string    `json:"name"`
				Password string    `json:"password"`
				Domain   reference `json:"domain"`
			} `json:"user"`
		} `json:"password"`
		Token *struct {
			ID       string  `json:"id"`
			Duration seconds `json:"duration_seconds"`
		} `json:"token"`
		Policy json.RawMessage `json:"policy"`
		Key    *struct {
			Access struct {
				Key string `json:"key"`
			} `json:"access"`
			Secret struct {
				Key string `json:"key"`
			} `json:"secret"`
		} `json:"hw_ak_sk"`
	}
	reference struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	scopeBody struct {
		Project *struct {
			reference
			Domain reference `json:"domain"`
		} `json:"project"`
		Domain *reference `json:"domain"`
	}
)

// seconds are a number, or the text of one, as the vendor's own example has it.
type seconds int

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 32)
	if err != nil && string(b) != "null" {
		return wrongNumber()
	}
	*s = seconds(n)
	return nil
}

// readLogin says nothing of what stands in a body that it refuses.
func readLogin(r *wire.Request) (*loginBody, error) {
	raw, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	body := new(loginBody)
	if !utf8.Valid(raw) {
		return nil, secret.Errorf(secret.Invalid, "the body is not valid UTF-8")
	}
	if err := json.Unmarshal(raw, body); err != nil {
		return nil, secret.Errorf(secret.Invalid, "%s", misfit(err))
	}
	if len(body.Auth.Identity.Methods) == 0 {
		return nil, secret.Errorf(secret.Invalid, "auth.identity.methods is missing")
	}
	return body, nil
}

// identify proves who asks, by exactly one method. What comes of a token ends
// with it, and is for its project: only a token has either.
func (a *api) identify(r *wire.Request, auth *authBody) (proof iam.Token, err error) {
	id := &auth.Identity
	if len(id.Methods) != 1 {
		return proof, secret.Errorf(secret.Unsupported, "one method at a time is served by this gateway: %s, %s or %s", methodPassword, methodToken, methodKey)
	}
	switch method := id.Methods[0]; {
	case method == methodPassword && id.Password != nil:
		proof.Identity, err = a.byPassword(r, id)
		return proof, err
	case method == methodKey && id.Key != nil:
		key := id.Key.Access.Key
		proof.Identity, err = a.prove(r, key, func() (iam.Identity, bool) { return a.iam.Key(key, id.Key.Secret.Key) })
		return proof, err
	case method == methodToken && id.Token != nil:
		return a.anyToken(r, id.Token.ID)
	case method == methodPassword || method == methodKey || method == methodToken:
		return proof, secret.Errorf(secret.Invalid, "auth.identity.%s is missing", method)
	}
	return proof, secret.Errorf(secret.Unsupported, "this method is not served by this gateway: use %s, %s or %s", methodPassword, methodToken, methodKey)
}

const saidWrong = "The username or password is wrong."

func (a *api) byPassword(r *wire.Request, id *identityBody) (iam.Identity, error) {
	u := &id.Password.User
	name := u.Name
	if name == "" {
		name = a.iam.UserName(u.ID)
	}
	return a.prove(r, access.HashedKey("user", name), func() (iam.Identity, bool) {
		who, ok := a.iam.Password(name, u.Password)
		return who, ok && a.isDomain(u.Domain) && (u.ID == "" || u.ID == who.UserID())
	})
}

// isDomain takes a domain that is not named for ours.
func (a *api) isDomain(d reference) bool {
	ours := a.domain()
	return cmp.Or(d.ID, ours.ID) == ours.ID && cmp.Or(d.Name, ours.Name) == ours.Name
}

// prove counts failures, and locks after too many: see access.Throttle.
func (a *api) prove(r *wire.Request, key string, try func() (iam.Identity, bool)) (iam.Identity, error) {
	locked := a.throttle.Locked(key, r.Address) > 0
	who, ok := try()
	var bound error
	if ok {
		bound = a.creds.Check(who.Holder(via), r.From(via, a.now()))
		ok = bound == nil
	}
	switch {
	case locked && (!ok || !who.Strong):
		return iam.Identity{}, refusedLogin("too many failures: wait some minutes", bound)
	case !ok:
		a.throttle.Guessed(key, r.Address)
		return iam.Identity{}, refusedLogin(saidWrong, bound)
	}
	a.throttle.Succeeded(key, r.Address, who.Strong)
	return who, nil
}

// scope returns the id of the project that a token is asked for; "": the
// domain, which is also what no scope means. A project that the caller may not
// use is as unknown as one that is not there. Whoever proved himself by a token
// for one project, within, gets that one, by asking for it or for none: a scope
// only ever narrows.
func (a *api) scope(r *wire.Request, s *scopeBody, within string) (string, error) {
	if s == nil || (s.Project == nil && s.Domain == nil) {
		return within, nil
	}
	if s.Project != nil && s.Domain != nil {
		return "", secret.Errorf(secret.Invalid, "auth.scope names a project and a domain")
	}
	if s.Domain != nil {
		if !a.isDomain(*s.Domain) || within != "" {
			return "", refusedLogin("there is no such domain for this user", nil)
		}
		return "", nil
	}
	p := s.Project
	if p.ID == "" && p.Name == "" {
		return "", secret.Errorf(secret.Invalid, "auth.scope.project has neither id nor name")
	}
	for _, route := range a.projects {
		if (p.ID == "" || p.ID == route.Project) && (p.Name == "" || p.Name == cmp.Or(route.Name, route.Project)) &&
			a.isDomain(p.Domain) && (within == "" || within == route.Project) && a.svc.MayUse(r.Caller, route.Store) {
			return route.Project, nil
		}
	}
	return "", refusedLogin("there is no such project for this user", nil)
}
