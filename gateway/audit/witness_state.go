package audit

import "time"

// WitnessState is how a witness of this gateway's audit fares.
type WitnessState struct {
	URL    string    `json:"url"`
	Lines  int64     `json:"lines"`                 // of this audit that it has signed, since this gateway began
	Signed time.Time `json:"signed,omitzero"`       // when it did so last
	Since  time.Time `json:"silent_since,omitzero"` // since when it does not sign; zero: it does, or was not asked yet
	Reason string    `json:"reason,omitempty"`      // why it does not
	// Behind is how many lines of the checkpoint that it did not sign are new to it, as far
	// as is known.
	Behind int64 `json:"behind,omitempty"`
	// Rewritten: it has signed lines that are not in the audit any more.
	Rewritten bool `json:"rewritten,omitempty"`
}

// WitnessedLog is an audit of another gateway, whose checkpoints this one signs.
type WitnessedLog struct {
	Origin string    `json:"origin"`
	Lines  int64     `json:"lines"`           // that were signed
	Signed time.Time `json:"signed,omitzero"` // when the last ones were; zero: not since this gateway began
	// Refused is why the last checkpoint, since this gateway began, was not signed;
	// empty: it was.
	Refused string `json:"refused,omitempty"`
}
