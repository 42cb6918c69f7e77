package control

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// Overview is how a running gateway fares.
type Overview struct {
	Version       string                `json:"version"`
	PID           int                   `json:"pid"`
	Gateway       string                `json:"gateway"` // its id
	Began         time.Time             `json:"began"`
	Stopping      bool                  `json:"stopping,omitempty"`
	Address       string                `json:"address"`
	Admin         string                `json:"admin,omitempty"`
	Configuration ConfigurationState    `json:"configuration"`
	Stores        []gateway.StoreHealth `json:"stores"`
	Fleet         []gateway.FleetMember `json:"fleet"` // this gateway first
	Audit         AuditOverview         `json:"audit"`
	Ends          []gateway.End         `json:"ends"`    // soonest first
	Keyring       string                `json:"keyring"` // where it is, for people
	Keys          []KeyOverview         `json:"keys"`
}

// ConfigurationState says which configuration the gateway goes by.
type ConfigurationState struct {
	File  string    `json:"file"`
	Taken time.Time `json:"taken"`
	// Stale: the file has changed since in a way that was not taken.
	Stale bool `json:"stale"`
}

// AuditOverview is how the audit fares.
type AuditOverview struct {
	File      string `json:"file"`
	FileBytes int64  `json:"file_bytes"`
	FreeBytes int64  `json:"free_bytes"` // negative: not known
	Low       bool   `json:"low,omitempty"`
	Damaged   int64  `json:"damaged,omitempty"`
	// Trouble is why no line can be written; empty: they can.
	Trouble      string    `json:"trouble,omitempty"`
	Checkpointed time.Time `json:"checkpointed,omitzero"`
	Missed       int64     `json:"syslog_missed,omitempty"`
	Waiting      int64     `json:"syslog_waiting,omitempty"`
	// Witnesses sign this gateway's checkpoints.
	Witnesses []audit.WitnessState `json:"witnesses,omitempty"`
	// WitnessOf are the logs of other gateways whose checkpoints this one signs.
	WitnessOf []audit.WitnessedLog `json:"witness_of,omitempty"`
}

// KeyOverview is a key of the keyring.
type KeyOverview struct {
	ID      string    `json:"id"`
	Use     string    `json:"use"`
	Active  bool      `json:"active"`
	Retired time.Time `json:"retired,omitzero"`
}

func overviewOperation(overview func() Overview) operation[noArgs, Overview] {
	return operation[noArgs, Overview]{
		name: "overview",
		do: func(context.Context, *gateway.Service, gateway.Call, noArgs) (Overview, error) {
			if overview == nil {
				return Overview{}, secret.Errorf(secret.Unsupported, "this gateway keeps no overview")
			}
			return overview(), nil
		},
	}
}

// Overview is how the gateway fares now.
func (c *Client) Overview(ctx context.Context, call gateway.Call) (Overview, error) {
	return overviewOperation(nil).ask(ctx, c, call, noArgs{})
}
