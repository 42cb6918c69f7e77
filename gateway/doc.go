// Package gateway is the gateway without a wire format.
//
// A request's life: a dialect decodes it and calls a method of Service. Every
// method passes through run, which finds the store, asks the policy, writes
// the audit line of intent, bounds the call in time and number, retries what
// provably did not happen, and writes the outcome before anything is
// answered. The dialect renders what comes back, or the error's kind.
//
// What is no business of every gateway stands around this package, as the
// events of CSMS do in gateway/events: it observes writes (Options.Writes) and
// runs its own operations through Do.
//
// Start reading at run in run.go. An operation stands in the file of its name,
// as Put does in put.go, and is a few lines.
package gateway
