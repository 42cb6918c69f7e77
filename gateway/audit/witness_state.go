package audit

import "time"

// WitnessState is how a witness of this gateway's audit fares.
type WitnessState struct {
	URL    string    `json:"url"`
	Lines  int64     `json:"lines"`                 // of this audit that it has signed, since this gateway began
	Signed time.Time `json:"signed,omitzero"`       // when it did so last
	Since  time.Time `json:"silent_since,omitzero"` // since when it does not sign; zero: it does, or was not asked yet
	Reason string    `json:"reason,omitempty"`      // why it does not
	// Rewritten: it has signed lines that are not in the audit any more.
	Rewritten bool `json:"rewritten,omitempty"`
}

// WitnessedLog is an audit of another gateway, whose checkpoints this one signs.
type WitnessedLog struct {
	Origin string    `json:"origin"`
	Lines  int64     `json:"lines"`           // that were signed
	Signed time.Time `json:"signed,omitzero"` // when the last ones were; zero: not since this gateway began
}
