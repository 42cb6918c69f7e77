package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Mount has the routes answer whatever reaches r, other paths and methods
// included. Earlier routes win. r must use encoded paths. Nil limits: those of a
// dialect that is alone.
func Mount(r *mux.Router, e Edge, routes []Route, limits *Limits) {
	r.NewRoute().Handler(NewHandler(e, routes, asSent, limits))
}

// NewHandler is Mount for an API that reads paths in its own way.
func NewHandler(e Edge, routes []Route, segments Segments, limits *Limits) http.Handler {
	if limits == nil {
		limits = NewLimits(DefaultMaxBlob, defaultBlobs)
	}
	return newTable(routes, segments, func(r *Route) *endpoint { return &endpoint{edge: e, limits: limits, route: r} })
}

// endpoint serves one route.
type endpoint struct {
	edge   Edge
	limits *Limits
	route  *Route
}

// serve answers once, after everything that may fail has been done.
func (p *endpoint) serve(w http.ResponseWriter, r *http.Request, path []string, vars map[string]string) {
	q := newRequest(w, r, p)
	q.path, q.Vars = path, vars
	defer q.release()
	p.edge.Prepare(w.Header(), q)
	var place *hold // only a route of large answers has one
	if p.route.Large {
		place = p.limits.answers.enter("", nil)
		defer place.release()
	}
	buf, _ := buffers.Get().(*bytes.Buffer) // it holds nothing else
	defer release(buf)
	rep, body := p.answer(q, buf, place)
	if place != nil && len(body) < largeAnswer {
		place.settle(0)
	}
	write(w, q, rep, body, place)
}

func (p *endpoint) answer(q *Request, buf *bytes.Buffer, place *hold) (Reply, []byte) {
	rep, err := p.handle(q, place)
	if err != nil {
		rep = p.edge.Error(q, err)
	}
	p.pace(q, errors.Is(err, access.ErrRate))
	body, err := encode(buf, rep.Body)
	if err != nil {
		rep = p.edge.Error(q, &secret.Error{Kind: secret.Internal, Op: q.Op, Err: err})
		buf.Reset()
		if body, err = encode(buf, rep.Body); err != nil {
			return Reply{Status: http.StatusInternalServerError}, nil
		}
	}
	return rep, body
}

// pace lets who proved nothing wait for his answer, and who is beyond his rate.
// Neither holds anything meanwhile.
func (p *endpoint) pace(q *Request, limited bool) {
	if q.Caller.ID != "" && !limited {
		p.limits.Pace.Proved(q.Address)
		return
	}
	q.release()
	q.held, q.body = [2]*hold{}, nil
	answered := false
	if limited {
		answered = p.limits.Pace.Limited(q.Context(), q.Caller.ID)
	} else {
		answered = p.limits.Pace.Unproved(q.Context(), q.Address)
	}
	if !answered {
		q.w.Header()["Connection"] = []string{"close"}
	}
}

func (p *endpoint) handle(q *Request, place *hold) (rep Reply, err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
				panic(v)
			}
			err = &secret.Error{Kind: secret.Internal, Op: q.Op, Err: panicked(v)}
		}
	}()
	who, err := p.edge.Authenticate(q)
	if err != nil {
		q.Caller = who
		return Reply{}, err
	}
	if err := q.Prove(who); err != nil {
		return Reply{}, err
	}
	q.proved()
	if place != nil {
		place.key = q.callerKey()
		if err := place.take(q.Context(), 1); err != nil {
			return Reply{}, &secret.Error{Kind: secret.Unavailable, Detail: "too many large answers are waiting for their clients", Err: err}
		}
	}
	return p.route.Handle(q)
}

// panicked tells where a panic rose and of which type it is. What it says may
// hold a value, and so may the arguments in a full trace.
func panicked(v any) error {
	pc := make([]uintptr, 24)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	var where strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&where, "\n\t%s:%d", f.Function, f.Line)
		if !more {
			return fmt.Errorf("panic of type %T at%s", v, where.String())
		}
	}
}
