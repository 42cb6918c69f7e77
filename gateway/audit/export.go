package audit

import (
	"net/netip"
	"strconv"
	"strings"
)

// Classes of the Open Cybersecurity Schema Framework 1.3.
const (
	ocsfVersion  = "1.3.0"
	ocsfCategory = 6    // Application Activity
	ocsfClass    = 6003 // API Activity
)

// ocsfActivity of an action of the policy: Create, Read, Update, Delete, Other.
func ocsfActivity(action string) (int, string) {
	switch action {
	case "get", "list", "backup":
		return 2, "Read"
	case "set", "restore":
		return 1, "Create"
	case "update", "recover":
		return 3, "Update"
	case "delete", "purge":
		return 4, "Delete"
	}
	return 99, "Other"
}

func failedResult(e *Entry) bool { return e.Result != "" && e.Result != OK && e.Result != Skipped }

// OCSF is the entry as an event of the class API Activity.
func OCSF(e *Entry, version string) map[string]any {
	activity, name := ocsfActivity(e.Action)
	status, word, severity, severe := 1, "Success", 1, "Informational"
	switch {
	case e.Phase == Intent:
		status, word = 0, "Unknown"
	case e.Result == Damaged:
		status, word, severity, severe = 2, "Failure", 5, "Critical"
	case failedResult(e):
		status, word, severity, severe = 2, "Failure", 3, "Medium"
	}
	event := map[string]any{
		"class_uid": ocsfClass, "class_name": "API Activity", "category_uid": ocsfCategory, "category_name": "Application Activity",
		"activity_id": activity, "activity_name": name, "type_uid": ocsfClass*100 + activity,
		"time": e.Time.UnixMilli(), "severity_id": severity, "severity": severe, "status_id": status, "status": word,
		"metadata": map[string]any{
			"version": ocsfVersion, "uid": strconv.FormatUint(e.Seq, 10), "sequence": e.Seq, "log_name": "audit",
			"product": map[string]any{"name": "vaultferry", "vendor_name": "vaultferry", "version": version},
		},
		"actor":    map[string]any{"user": map[string]any{"name": e.Caller, "credential_uid": e.Credential}},
		"api":      map[string]any{"operation": e.Op, "service": map[string]any{"name": e.Via}, "request": map[string]any{"uid": e.RequestID}},
		"unmapped": map[string]any{"phase": e.Phase, "chain": e.Chain, "result": e.Result, "versions": e.Versions, "losses": e.Losses},
	}
	if e.Reason != "" {
		event["status_detail"] = e.Reason
	}
	if e.Tally != nil {
		event["count"], event["start_time"], event["end_time"] = e.Tally.Count, e.Tally.First.UnixMilli(), e.Tally.Last.UnixMilli()
	}
	event["src_endpoint"] = map[string]any{"ip": e.Address}
	if _, err := netip.ParseAddr(e.Address); err != nil {
		event["src_endpoint"] = map[string]any{"name": e.Address}
	}
	if e.Store != "" {
		event["resources"] = []map[string]any{{"type": "secret", "name": e.Name, "namespace": e.Store}}
	}
	return event
}

// Escapes of CEF: a header may not hold a bar, an extension no equals sign.
var (
	cefHeader    = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefExtension = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// CEF is the entry in ArcSight's Common Event Format.
func CEF(e *Entry, version string) string {
	severity := "2"
	switch {
	case e.Result == Damaged:
		severity = "10"
	case failedResult(e):
		severity = "5"
	}
	header := []string{"CEF:0", "vaultferry", "vaultferry", cefHeader.Replace(version), cefHeader.Replace(e.Op), cefHeader.Replace(e.Op), severity}
	var b strings.Builder
	b.WriteString(strings.Join(header, "|") + "|")
	sep := ""
	add := func(key, value string) {
		if value != "" {
			b.WriteString(sep + key + "=" + cefExtension.Replace(value))
			sep = " "
		}
	}
	add("rt", strconv.FormatInt(e.Time.UnixMilli(), 10))
	add("externalId", strconv.FormatUint(e.Seq, 10))
	add("suser", e.Caller)
	if _, err := netip.ParseAddr(e.Address); err == nil {
		add("src", e.Address)
	} else {
		add("shost", e.Address)
	}
	add("act", e.Action)
	add("outcome", e.Result)
	add("reason", e.Reason)
	if e.Tally != nil {
		add("cnt", strconv.FormatInt(e.Tally.Count, 10))
	}
	for i, c := range [][2]string{{"store", e.Store}, {"secret", e.Name}, {"requestId", e.RequestID}, {"phase", e.Phase}, {"credential", e.Credential}, {"chain", e.Chain}} {
		if c[1] != "" {
			add("cs"+strconv.Itoa(i+1)+"Label", c[0])
			add("cs"+strconv.Itoa(i+1), c[1])
		}
	}
	return b.String()
}
