package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
)

// versionsMayDiffer is how long an upgrade of one gateway after the other may take.
const versionsMayDiffer = time.Hour

// fleetAttention lists what an operator should look at of the gateways that share
// stores.
func fleetAttention(fleet []gateway.FleetMember, now time.Time) (found []string) {
	var versions []string
	settled := true
	for _, m := range fleet {
		if m.Silent {
			found = append(found, fmt.Sprintf("gateway %s has been silent for %s", memberName(m), roughly(now.Sub(m.Seen))))
			continue
		}
		if v := printable(m.Version); !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
		settled = settled && now.Sub(m.Began) > versionsMayDiffer
	}
	for i, m := range fleet {
		if slices.ContainsFunc(fleet[i+1:], func(o gateway.FleetMember) bool { return namesake(m, o) }) {
			found = append(found, fmt.Sprintf("two gateways are named %s: gateway.name tells them apart", memberName(m)))
		}
	}
	if len(versions) > 1 && settled {
		slices.Sort(versions)
		found = append(found, "the gateways are of different releases: "+strings.Join(versions, ", "))
	}
	return found
}

// namesake reports whether two gateways that run at one time have one name. One that
// was killed may be back before it is silent.
func namesake(a, b gateway.FleetMember) bool {
	return a.Name != "" && a.Name == b.Name && !a.Silent && !b.Silent && a.Seen.After(b.Began) && b.Seen.After(a.Began)
}

// fleetRows shows the gateways that share stores.
func fleetRows(fleet []gateway.FleetMember, now time.Time) (rows [][]string) {
	for _, m := range fleet {
		line := fmt.Sprintf("%s, %s, began %s ago", memberName(m), printable(m.Version), roughly(now.Sub(m.Began)))
		switch {
		case m.This && len(m.Stores) == 0:
			line = "no other gateway is known; gateways know of each other only over a store of kind postgres"
		case m.This:
			line += ", this one"
		case m.Silent:
			line += ", silent for " + roughly(now.Sub(m.Seen))
		default:
			line += ", heard " + roughly(now.Sub(m.Seen)) + " ago"
		}
		if len(m.Stores) > 0 {
			line += " (" + strings.Join(m.Stores, ", ") + ")"
		}
		rows = append(rows, []string{"fleet", line})
	}
	return rows
}

// memberName is what its operator calls it, or the log of its audit.
func memberName(m gateway.FleetMember) string {
	if m.Name == "" {
		return "with the audit " + printable(m.ID)
	}
	return printable(m.Name)
}
