// Package okta stands in for the client of Okta, one of the second factors of
// a login, which always fails.
package okta

import (
	"context"
	"errors"
	"net/http"
)

type (
	Configuration  struct{ Context context.Context }
	ConfigSetter   func(*Configuration)
	UserAPI        struct{}
	UserFactorAPI  struct{}
	Request[T any] struct{}
	APIClient      struct {
		UserAPI       UserAPI
		UserFactorAPI UserFactorAPI
	}
	User           struct{ Id string }
	UserFactorPush struct{ Id string }
	Factor         struct{ UserFactorPush *UserFactorPush }
	Verification   struct {
		FactorResult string
		Links        map[string]any
	}
	Transaction struct {
		UserFactorPushTransactionWaiting, UserFactorPushTransaction         *struct{}
		UserFactorPushTransactionRejected, UserFactorPushTransactionTimeout *struct{}
	}
)

var errLeftOut = errors.New("okta: left out of this server")

func NewConfiguration(...ConfigSetter) (*Configuration, error) { return nil, errLeftOut }

func NewAPIClient(*Configuration) *APIClient { return new(APIClient) }

func WithToken(string) ConfigSetter { return nil }

func WithOrgUrl(string) ConfigSetter { return nil }

func WithCache(bool) ConfigSetter { return nil }

func (*APIClient) GetConfig() *Configuration { return new(Configuration) }

func (u User) GetId() string { return u.Id }

func (f UserFactorPush) GetId() string { return f.Id }

func (v Verification) GetFactorResult() string { return v.FactorResult }

func (r Request[T]) Filter(string) Request[T] { return r }

func (Request[T]) Execute() (v T, resp *http.Response, err error) { return v, nil, errLeftOut }

func (UserAPI) ListUsers(context.Context) (r Request[[]User]) { return r }

func (UserFactorAPI) ListFactors(context.Context, string) (r Request[[]Factor]) { return r }

func (UserFactorAPI) VerifyFactor(context.Context, string, string) (r Request[*Verification]) {
	return r
}

func (UserFactorAPI) GetFactorTransactionStatus(context.Context, string, string, string) (r Request[*Transaction]) {
	return r
}
