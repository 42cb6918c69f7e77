package azurekv

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// patient is kit.Patiently for every request of the vendor's client. Each try
// gets a token of its own.
type patient struct{}

// Do implements policy.Policy.
func (patient) Do(r *policy.Request) (resp *http.Response, err error) {
	write := r.Raw().Method != http.MethodGet
	begun := false
	_ = kit.Patiently(r.Raw().Context(), write, func() error {
		if begun {
			if err = r.RewindBody(); err != nil {
				return err
			}
			runtime.Drain(resp)
		}
		begun = true
		if resp, err = r.Next(); err != nil { //nolint:bodyclose // the vendor's client reads the last one to its end
			return err
		}
		return refusal(resp)
	})
	return resp, err
}

// refusal is of an answer that is no success. What it means is for others to
// say, unless the vault wants to be asked later.
func refusal(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return &secret.Error{Kind: secret.Throttled, RetryAfter: kit.RetryAfter(resp.Header)}
	case resp.StatusCode >= http.StatusMultipleChoices:
		return secret.Internal
	}
	return nil
}
