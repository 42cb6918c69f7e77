package backends

import "context"

// RetentionReporter is an optional part of a Backend: that of a product which keeps what
// is deleted for a time of its own, whatever it is told.
type RetentionReporter interface {
	// Retention returns for how many days. Zero: the product does not say,
	// which it may not as long as it holds nothing.
	Retention(ctx context.Context) (days int, err error)
}
