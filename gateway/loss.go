package gateway

import (
	"fmt"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// OnLoss says what to do when a product cannot hold, or could not give, all
// of a secret. Losses of grade trace never ask.
type OnLoss string

// The choices. The empty OnLoss is LossFail.
const (
	LossFail   OnLoss = "fail"
	LossAccept OnLoss = "accept"
)

// checkLosses refuses losses that o does not accept. The error names the
// version and the reason of each, gravest first, as far as a header line
// bears it.
func checkLosses(o OnLoss, name secret.Name, losses []secret.Loss) error {
	if o == LossAccept || secret.Worst(losses) <= secret.Trace {
		return nil
	}
	var said []string
	more := 0
	for _, g := range []secret.Grade{secret.Data, secret.Meaning} {
		for _, l := range losses {
			switch {
			case l.Grade != g:
			case len(said) < 5:
				said = append(said, l.String())
			default:
				more++
			}
		}
	}
	detail := "this would lose " + strings.Join(said, "; ")
	if more > 0 {
		detail += fmt.Sprintf("; and %d more", more)
	}
	return &secret.Error{Kind: secret.Lossy, Name: name, Detail: detail}
}

func lossLines(losses []secret.Loss) []string {
	var lines []string
	for _, l := range losses {
		lines = append(lines, l.String())
	}
	return lines
}
