// Package wire runs the requests of every dialect in the same way: request id,
// panic guard, authentication, bounded body, one encoder. What a vendor's API
// looks like is the dialect's: routes are data, and an Edge shapes answers.
//
// It knows of package secret only the kinds of error.
package wire

import (
	"errors"
	"net/http"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Route is one operation of an API.
type Route struct {
	Op      string // "azure.GetSecret"
	Method  string
	Path    string // "/secrets/{name}": a variable is one encoded segment
	MaxBody int64  // in bytes; zero: DefaultMaxBody
	Large   bool   // its answer may have megabytes
	Handle  func(*Request) (Reply, error)
}

// DefaultMaxBody bounds a body where the route does not.
const DefaultMaxBody = 1 << 20

// DefaultMaxBlob bounds the body of a restore where the configuration does
// not: a full secret, 500 versions of 25 KB, is 30 MB on the wire.
const DefaultMaxBlob = 64 << 20

// defaultBlobs is how many blobs are worked on at once where nobody says so.
const defaultBlobs = 4

// ReasonHeader bears why a request was refused, where the caller may know: a
// header of ours, beside the vendor's own answer.
const ReasonHeader = "Vaultferry-Reason"

// TagsHeader bears how many tags a version may have in the store, where that is
// known: another gateway in front of this one needs one of them for itself.
const TagsHeader = "Vaultferry-Tags"

// Blanks may stand around the text of a backup in a body: they come from files
// and shells, and belong to none.
const Blanks = " \t\r\n"

// Reply is a finished answer.
type Reply struct {
	Status int
	// Header is added to what Edge.Prepare set. It is not changed, so replies
	// may share one.
	Header http.Header
	// Body nil: none. A []byte goes out as it is, an Appender as it appends
	// itself; anything else as compact JSON without HTML escapes or a final
	// newline.
	Body any
}

// Edge is what differs between vendors around every operation.
type Edge interface {
	// Authenticate proves who sent r. It is asked about unknown routes too;
	// r.Op is empty then.
	Authenticate(r *Request) (access.Caller, error)
	// Prepare sets the headers that every answer bears, errors included.
	Prepare(h http.Header, r *Request)
	// Error shapes err as the vendor would, and sees to its audit line.
	Error(r *Request, err error) Reply
}

// Errors that reach Edge.Error beside those of handlers. Each comes wrapped in
// a *secret.Error of a fitting kind.
var (
	ErrNoRoute  = errors.New("wire: no such path")
	ErrMethod   = errors.New("wire: the path does not know this method")
	ErrBodySize = errors.New("wire: the body is over the limit of its route")
	ErrBodyRead = errors.New("wire: the body could not be read to its end")
)
