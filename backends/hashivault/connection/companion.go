package connection

import (
	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// MaxCompanion bounds the entries of a companion together, as JSON: raft's
// limit less a rest.
const MaxCompanion = 900 << 10

// EntrySize is the size of a text as a member of an object.
func EntrySize(text string) int { return len(sidecar.JSON(text)) + 48 }
