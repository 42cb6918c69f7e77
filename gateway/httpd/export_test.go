package httpd

import "net/http"

// Servers are those behind both listeners.
func Servers(s *Server) []*http.Server { return []*http.Server{s.main, s.admin} }
