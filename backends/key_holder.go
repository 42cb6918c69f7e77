package backends

import "context"

// KeyHolder is an optional part of a Backend that has wrapped something under the
// gateway's keyring, which may change while it is open.
type KeyHolder interface {
	// OpensUnder returns why the backend could not be opened with these keys, or nil.
	OpensUnder(ctx context.Context, keys KeyWrapper) error
	// UseKeys goes on with these keys, under which it opens.
	UseKeys(keys KeyWrapper)
}
