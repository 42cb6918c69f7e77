// Package events keeps the events of CSMS: which happenings of a secret are
// worth a record, and the records themselves. Both lie in the store they are
// about, through backends.StateStore, so that every gateway over it shares
// them. A store that keeps no state has no events.
//
// A Recorder watches the writes of the gateway. A Service is what a dialect
// asks. The gateway records; it delivers nothing.
package events
