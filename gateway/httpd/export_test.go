package httpd

import (
	"net/http"
	"time"
)

// Servers are those behind both listeners.
func Servers(s *Server) []*http.Server { return []*http.Server{s.main, s.admin} }

// WaitWith replaces how a server waits for its shutdown delay.
func WaitWith(s *Server, wait func(time.Duration)) { s.wait = wait }
