package main

import (
	"fmt"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
)

// witnessMayBeSilent is how long a witness may be gone, as it is while it starts anew.
const witnessMayBeSilent = 5 * time.Minute

// witnessRewritten lists the witnesses that have signed lines which are gone.
func witnessRewritten(all []audit.WitnessState) (found []string) {
	for _, w := range all {
		if w.Rewritten {
			found = append(found, fmt.Sprintf("the audit is not what the witness %s has signed: %s", w.URL, printable(w.Reason)))
		}
	}
	return found
}

// witnessSilence lists the witnesses that do not sign.
func witnessSilence(all []audit.WitnessState, now time.Time) (found []string) {
	for _, w := range all {
		if silent := now.Sub(w.Since); !w.Rewritten && !w.Since.IsZero() && silent >= witnessMayBeSilent {
			found = append(found, fmt.Sprintf("the witness %s has not signed for %s: %s", w.URL, roughly(silent), printable(w.Reason)))
		}
	}
	return found
}

// witnessRefusals lists the audits of others that this gateway refused to sign.
func witnessRefusals(all []audit.WitnessedLog) (found []string) {
	for _, l := range all {
		if l.Refused != "" {
			found = append(found, fmt.Sprintf("this gateway as a witness does not sign the audit %s: %s", printable(l.Origin), l.Refused))
		}
	}
	return found
}

// witnessRows shows who signs this gateway's checkpoints, and whose this one signs.
func witnessRows(a *control.AuditOverview, now time.Time) (rows [][]string) {
	for _, w := range a.Witnesses {
		line := w.URL + ": not asked yet"
		switch {
		case !w.Since.IsZero():
			line = fmt.Sprintf("%s: has not signed for %s: %s", w.URL, roughly(now.Sub(w.Since)), printable(w.Reason))
			if w.Behind > 0 {
				line += fmt.Sprintf("; it is %d lines behind", w.Behind)
			}
		case !w.Signed.IsZero():
			line = fmt.Sprintf("%s: signed %d lines, last %s ago", w.URL, w.Lines, roughly(now.Sub(w.Signed)))
		}
		rows = append(rows, []string{"witness", line})
	}
	for _, l := range a.WitnessOf {
		line := fmt.Sprintf("%s: %d lines", printable(l.Origin), l.Lines)
		if l.Signed.IsZero() {
			line += ", none since this gateway began"
		} else {
			line += ", last " + roughly(now.Sub(l.Signed)) + " ago"
		}
		if l.Refused != "" {
			line += ", and no more: " + l.Refused
		}
		rows = append(rows, []string{"signs for", line})
	}
	return rows
}
