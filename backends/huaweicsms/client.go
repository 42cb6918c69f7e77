package huaweicsms

import (
	"context"
	"errors"
	"net/http"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// client is the product's API in our types and errors. It retries nothing: the
// gateway does, and never a 401, five of which lock the key.
type client struct {
	endpoint     string
	credentials  *credentials
	transport    http.RoundTripper
	key, project string // of new secrets
}

// call sends one request of the vendor's client under ctx, and reads its answer.
func call[Q, A, T any](ctx context.Context, c client, o kit.Op, send func(*csms.CsmsClient, *Q) (*A, error), q *Q, read func(*A) (T, error)) (out T, err error) {
	err = kit.Patiently(ctx, o.Write, func() (err error) {
		out, err = once(ctx, c, o, send, q, read)
		return err
	})
	return out, err
}

// once is call without patience. The client is put together by hand, for its
// builder looks at files and the environment.
func once[Q, A, T any](ctx context.Context, c client, o kit.Op, send func(*csms.CsmsClient, *Q) (*A, error), q *Q, read func(*A) (T, error)) (T, error) {
	var zero T
	key, err := c.credentials.get(ctx)
	if err != nil {
		return zero, o.Error(secret.KindOf(err), secret.DetailOf(err), secret.Cause(err))
	}
	ctx, trace := kit.WithTrace(ctx)
	conf := config.DefaultHttpConfig().WithTimeout(0).WithHttpRoundTripper(exchange{ctx, c.transport})
	a, err := send(csms.NewCsmsClient(core.NewHcHttpClient(impl.NewDefaultHttpClient(conf)).
		WithEndpoints([]string{c.endpoint}).WithCredential(key)), q)
	var out T
	if err == nil {
		out, err = read(a)
	}
	if err == nil {
		return out, nil
	}
	e := failed(ctx, o, trace, err)
	if answer, ok := errors.AsType[*kit.Answer](e); ok && answer.Status == http.StatusUnauthorized && !c.credentials.refused(key) {
		e = kit.Dead(e)
	}
	return zero, e
}

// pageSize is what other clients of the service are known to ask for.
const pageSize = 100

// page is one page of a list.
type page[T any] struct {
	items []T
	next  string // the marker of the next page; empty on the last one
}

// pages reads them all, or just the first.
func pages[T any](onlyFirst bool, read func(marker *string) (page[T], error)) ([]T, error) {
	var all []T
	for marker := ""; ; {
		p, err := read(optional(marker))
		if err != nil {
			return nil, err
		}
		all = append(all, p.items...)
		if p.next == "" || p.next == marker || onlyFirst {
			return all, nil
		}
		marker = p.next
	}
}

// newPage: on the last page the product says null for the marker, or nothing.
func newPage[A, B any](in *[]A, info *model.PageInfo, item func(*A) (B, error)) (p page[B], err error) {
	if in == nil {
		return p, kit.ErrMalformed
	}
	if info != nil {
		p.next = orEmpty(info.NextMarker)
	}
	p.items = make([]B, len(*in))
	for i := range *in {
		if p.items[i], err = item(&(*in)[i]); err != nil {
			return p, err
		}
	}
	return p, nil
}

// secrets lists every secret, those to be deleted too, in the product's order.
func (c client) secrets(ctx context.Context, onlyFirstPage bool) ([]*secretFact, error) {
	return pages(onlyFirstPage, func(marker *string) (page[*secretFact], error) {
		q := &model.ListSecretsRequest{Limit: new("100"), Marker: marker}
		return call(ctx, c, op("list", ""), (*csms.CsmsClient).ListSecrets, q, func(a *model.ListSecretsResponse) (page[*secretFact], error) {
			return newPage(a.Secrets, a.PageInfo, newListFact)
		})
	})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
