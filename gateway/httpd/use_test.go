package httpd_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// told is a dialect that answers with one text, when it may.
type told struct {
	text    string
	arrived chan<- struct{}
	may     <-chan struct{}
}

func (told) Name() string { return "told" }

func (d told) Mount(r *mux.Router) {
	r.NewRoute().HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if d.may != nil {
			d.arrived <- struct{}{}
			<-d.may
		}
		_, _ = io.WriteString(w, d.text)
	})
}

// TestUse: a request that runs ends as it began, the next one goes to what is
// used now, and none is lost while that changes again and again.
func TestUse(t *testing.T) {
	t.Parallel()
	arrived, may := make(chan struct{}), make(chan struct{})
	s, err := httpd.New(httpd.Options{Dialects: []dialects.Dialect{told{"old", arrived, may}}, Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		w := httptest.NewRecorder()
		httpd.Servers(s)[0].Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Body.String()
	}
	first := make(chan string)
	go func() { first <- ask() }()
	<-arrived
	idle := s.Use(nil, []dialects.Dialect{told{text: "new"}})
	if got := ask(); got != "new" {
		t.Errorf("the next request gets %q", got)
	}
	select {
	case <-idle:
		t.Error("a request runs, and its dialects are said to be idle")
	default:
	}
	close(may)
	if got := <-first; got != "old" {
		t.Errorf("the running request gets %q", got)
	}
	<-idle
	var running sync.WaitGroup
	var lost atomic.Int64
	for range 4 {
		running.Go(func() {
			for range 500 {
				if got := ask(); got != "new" && got != "newer" {
					lost.Add(1)
				}
			}
		})
	}
	for i := range 1000 {
		s.Use(nil, []dialects.Dialect{told{text: []string{"new", "newer"}[i%2]}})
	}
	running.Wait()
	if lost.Load() > 0 {
		t.Errorf("%d requests were lost", lost.Load())
	}
}
