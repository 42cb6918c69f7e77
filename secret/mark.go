package secret

// Mark names one state of a secret, for a write that is to take effect in that
// state alone: see backends.Marker. No two states of a name have the same one. The
// empty Mark names none.
type Mark string
