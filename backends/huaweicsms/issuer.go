package huaweicsms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/provider"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// issuer gives a new key whenever it is asked. Its errors are the vendor's.
type issuer func(context.Context) (*auth.BasicCredentials, error)

// newIssuer contacts nothing.
func newIssuer(c *Credential, transport http.RoundTripper) (issuer, error) {
	switch c.Kind {
	case kindPodIdentity:
		return ofPod, checkPod()
	case kindFederation:
		return c.federated(transport)
	}
	return ofHost, nil
}

// ofHost asks the metadata service. It follows the environment's proxies, as
// the vendor's client does, and ends within seconds whatever ctx says.
func ofHost(context.Context) (*auth.BasicCredentials, error) {
	return of(provider.BasicCredentialMetadataProvider())
}

// The environment that CCE gives to a pod.
const (
	podEndpoint  = "HC_CONTAINER_CREDENTIALS_FULL_URI"
	podTokenFile = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE" //nolint:gosec // the name of a variable
)

func checkPod() error {
	for _, name := range []string{podEndpoint, podTokenFile} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("credential.kind: %s needs the environment variable %s, which CCE sets in the pod", kindPodIdentity, name)
		}
	}
	u, err := url.Parse(os.Getenv(podEndpoint))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("credential.kind: the environment variable %s is no URL", podEndpoint)
	}
	return nil
}

// errRefused stands for the answer of an issuer, whose text is not told.
var errRefused = errors.New("the answer is a refusal")

// ofPod asks the agent of CCE on the pod's node. It does with proxies and ctx
// as ofHost does.
func ofPod(context.Context) (*auth.BasicCredentials, error) {
	key, err := of(provider.BasicCredentialPodIdentityProvider())
	var typed *sdkerr.CredentialsTypeError
	if err != nil && errors.Unwrap(err) == nil && !errors.As(err, &typed) { // the answer's body as a text
		return nil, errRefused
	}
	return key, err
}

func of(p provider.ICredentialProvider) (*auth.BasicCredentials, error) {
	c, err := p.GetCredentials()
	if err != nil {
		return nil, err
	}
	key, ok := c.(*auth.BasicCredentials)
	if !ok {
		return nil, kit.ErrMalformed
	}
	return key, nil
}

// federated exchanges the token of the file at IAM, by a client of its own:
// what IAM answers is no answer of CSMS.
func (c *Credential) federated(transport http.RoundTripper) (issuer, error) {
	u, err := url.Parse(c.IAMEndpoint)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*auth.BasicCredentials, error) {
		key, err := basic.NewCredentialsBuilder().WithIamEndpointOverride("https://" + u.Host).
			WithIdpId(c.IdPID).WithIdTokenFile(c.TokenFile).SafeBuild()
		if err != nil {
			return nil, err
		}
		conf := config.DefaultHttpConfig().WithTimeout(0).WithHttpRoundTripper(exchange{ctx, transport})
		return key, key.ProcessSts(impl.NewDefaultHttpClient(conf))
	}, nil
}

// ask returns a key that renews nothing itself, so that it can be shared.
func (i issuer) ask(ctx context.Context) (key *auth.BasicCredentials, failure *secret.Error) {
	defer func() {
		if recover() != nil { // the vendor's client trusts that an answer has all its members
			key, failure = nil, issueError(ctx, kit.ErrMalformed)
		}
	}()
	key, err := i(ctx)
	switch {
	case err != nil:
		return nil, issueError(ctx, err)
	case key.AK == "" || key.SK == "":
		return nil, issueError(ctx, kit.ErrMalformed)
	}
	key.StsAccessor = nil
	return key, nil
}

// What callers are told of a renewal.
const (
	noAnswer = "the service that gives the gateway its access key for CSMS cannot be reached"
	oddWords = "the service that gives the gateway its access key for CSMS does not answer as it promises"
	noKey    = "the gateway was refused an access key for CSMS"
	noToken  = "the gateway's token for its access key for CSMS cannot be read"
)

// issueError keeps no text of an answer: it may hold a token or a key.
func issueError(ctx context.Context, err error) *secret.Error {
	e := &secret.Error{Kind: secret.Unavailable, Detail: oddWords, Err: kit.Cause(ctx, err)}
	var answered *sdkerr.ServiceResponseError
	var sent *url.Error
	var file *fs.PathError
	var empty *sdkerr.CredentialsTypeError
	switch {
	case errors.As(err, &answered) && answered.StatusCode >= 400:
		e.Err = &kit.Answer{Status: answered.StatusCode, Code: answered.ErrorCode, RequestID: answered.RequestId}
		if e.Detail = noAnswer; isRefusal(answered.StatusCode) {
			e.Kind, e.Detail = secret.Upstream, noKey
			e = kit.Dead(e)
		}
	case errors.Is(err, errRefused):
		e.Kind, e.Detail, e.Err = secret.Upstream, noKey, errors.Join(kit.ErrDeadCredential, errRefused)
	case ctx.Err() != nil, errors.As(err, &sent):
		e.Detail = noAnswer
	case errors.As(err, &file):
		e.Kind, e.Detail, e.Err = secret.Upstream, noToken, file
	case errors.As(err, &empty):
		e.Kind, e.Detail, e.Err = secret.Upstream, noToken, errors.New("the token file is empty")
	}
	return e
}

func isRefusal(status int) bool {
	return status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}
