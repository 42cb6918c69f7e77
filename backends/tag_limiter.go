package backends

// TagLimiter is an optional part of a Backend: that of a product which holds so
// many tags of a version. The Azure dialect tells them to its clients, of which
// one may be another gateway that needs one of them.
type TagLimiter interface {
	// MaxTags may change: a product behind another gateway tells with its answers.
	MaxTags() int
}
