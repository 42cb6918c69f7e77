package httpd

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vaultferry/vaultferry/gateway"
)

// Admin is how the listener for operators serves.
type Admin struct {
	Address string // empty: there is none
	// TLS may be nil: plain HTTP.
	TLS *tls.Config
	// Token is the SHA-256 of what /metrics and /debug/pprof ask for; probes of
	// life ask for nothing. Nil: nothing asks.
	Token *[sha256.Size]byte
	// Pprof serves /debug/pprof.
	Pprof bool
}

// checkInherited holds a listener that somebody else opened to what the
// configuration demands of an address beyond loopback.
func (a Admin) checkInherited(ln net.Listener) error {
	if ln == nil || ln.Addr().Network() == "unix" || loopback(ln.Addr().String()) {
		return nil
	}
	switch {
	case a.Token != nil && a.TLS == nil:
		return fmt.Errorf("httpd: the inherited listener for operators, %s, is not loopback: without admin.tls the token goes to whoever listens in", ln.Addr())
	case a.Token == nil && a.Pprof:
		return fmt.Errorf("httpd: the inherited listener for operators, %s, is not loopback: with admin.pprof it needs admin.token", ln.Addr())
	}
	return nil
}

// handler serves /livez, /readyz and /metrics.
func (a Admin) handler(s *Server, m *Metrics) http.Handler {
	m.registry.MustRegister(stateMetrics{s})
	r := mux.NewRouter()
	r.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		status, body := readiness(s.Service(), s.stopping.Load())
		if !a.proves(r) {
			body = readinessBody{Status: body.Status}
		}
		writeJSON(w, status, body)
	}).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/metrics", a.guarded(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP)).Methods(http.MethodGet)
	if a.Pprof {
		r.Handle("/debug/pprof/profile", a.guarded(pprof.Profile))
		r.Handle("/debug/pprof/trace", a.guarded(pprof.Trace))
		r.Handle("/debug/pprof/symbol", a.guarded(pprof.Symbol))
		r.PathPrefix("/debug/pprof/").Handler(a.guarded(pprof.Index))
	}
	return r
}

// guarded asks for the token, if there is one.
func (a Admin) guarded(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.proves(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeJSON(w, http.StatusUnauthorized, map[string]string{"status": "unauthorized", "reason": "send admin.token as Authorization: Bearer"})
			return
		}
		h(w, r)
	})
}

func (a Admin) proves(r *http.Request) bool {
	if a.Token == nil {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(sum[:], a.Token[:]) == 1
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

type readinessBody struct {
	Status string                `json:"status"`
	Reason string                `json:"reason,omitempty"`
	Audit  string                `json:"audit,omitempty"` // what an operator must look at, while calls are still served
	Stores []gateway.StoreHealth `json:"stores"`
}

// readiness is red only where the gateway itself cannot serve, or soon will not.
// A store that is down is shown, and fails its own calls alone.
func readiness(s *gateway.Service, stopping bool) (int, readinessBody) {
	body := readinessBody{Status: "ok", Stores: s.Health()}
	switch st := s.AuditState(); {
	case st.Damaged > 0:
		body.Audit = "the file was damaged: see the log"
	case st.Low:
		body.Audit = "its disk is nearly full"
	}
	if err := s.Ready(); err != nil {
		body.Status, body.Reason = "unavailable", err.Error()
		return http.StatusServiceUnavailable, body
	}
	if stopping {
		body.Status = "stopping"
		return http.StatusServiceUnavailable, body
	}
	return http.StatusOK, body
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // plain structs of strings always marshal
		status, b = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}
