package witness

import (
	"errors"
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

const plainText = "text/plain; charset=utf-8"

// refusal is an answer of the protocol.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

func refuse(k secret.Kind, status int, text string) error {
	return &secret.Error{Kind: k, Err: refusal{status, text}}
}

func reply(status int, contentType, text string) wire.Reply {
	return wire.Reply{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(text)}
}

// edge implements wire.Edge.
type edge struct{ *Server }

// Authenticate lets everybody in: a checkpoint is its own proof.
func (edge) Authenticate(*wire.Request) (access.Caller, error) {
	return access.Caller{Via: "witness"}, nil
}

// Prepare keeps browsers from reading an answer as anything but text.
func (edge) Prepare(h http.Header, _ *wire.Request) { h.Set("X-Content-Type-Options", "nosniff") }

// Error says why. Whoever signs with a known key and is refused has a history
// that was changed, or a witness that cannot remember: that is said loudly.
func (e edge) Error(r *wire.Request, err error) wire.Reply {
	if e.o.Reject != nil {
		if lost := e.o.Reject(r, err); lost != nil {
			err = lost
		}
	}
	own := refusal{http.StatusInternalServerError, "the witness has failed"}
	switch {
	case errors.As(err, &own):
	case errors.Is(err, wire.ErrMethod):
		own = refusal{http.StatusMethodNotAllowed, "POST alone"}
	case errors.Is(err, wire.ErrBodySize), errors.Is(err, wire.ErrBodyRead):
		own = refusal{http.StatusBadRequest, "the body is too long, or was cut short"}
	case errors.Is(err, secret.Unavailable):
		own = refusal{http.StatusServiceUnavailable, "too many bodies are waiting, or this one came too slowly"}
	}
	if r.Caller.ID != "" {
		e.o.Refused(own.text)
	}
	return reply(own.status, plainText, own.text+"\n")
}
