// Package control lets commands on this machine use a running gateway.
//
// A gateway listens on one unix socket. Who may use it: the user that the
// gateway runs as, and root. The system says who is at the other end; a call
// acts as local:USER, under the gateway's policy, and is audited like any
// other.
//
// # The protocol
//
// HTTP/1.1. Each operation is a POST to /v1/OPERATION:
//
//	{"op": "cli.show", "request_id": "...", "args": {...}}
//
// op and request_id go to the audit; op says which command asks. The answer is
// {"result": ...}, {"error": {"kind", "name", "detail", "cause"}}, or both
// where part of the work was done. No error holds a value; values cross with
// put and get alone. A stream answers with bytes, and with their SHA-256 in a
// trailer: what lacks the trailer was cut short.
//
// The args are strict: a gateway refuses what it does not know. Answers are
// not: keys are only ever added.
//
// A new operation is a row in operations.go and a method of Client.
package control
