package huawei

import (
	"net/http"
	"testing"
)

// documented is the vendor's table of error codes (api-dew ErrorCode), each
// with its message, word for word.
var documented = map[string]struct {
	status int
	msg    string
	never  string // why this gateway does not say it
}{
	"CSMS.0002": {400, "The value of parameter is invalid.", ""},
	"CSMS.0003": {400, "The request is invalid.", ""},
	"CSMS.0004": {400, "The requested body format is wrong.", ""},
	"CSMS.0005": {404, "The resource does not exist.", ""}, // 400 in the table; every operation's page has 404 for what is missing
	"CSMS.0103": {400, "The secret is in the scheduled deletion state.", ""},
	"CSMS.0105": {400, "Can not delete the system internal stage.", ""},
	"CSMS.0106": {404, "The secret name not found int the db.", ""}, // the same
	"CSMS.0107": {400, "The secret is in schedule delete state.", ""},
	"CSMS.0108": {400, "The secret is not in schedule delete state.", ""},
	"CSMS.0109": {403, "The secret state is not enabled.", ""},
	"CSMS.0202": {400, "The number of secret has reached the upper limit.", "a store has no quota of secrets"},
	"CSMS.0203": {400, "The number of stage has reached the upper limit.", ""},
	"CSMS.0204": {400, "The number of stage is greater than the quota limit.", ""},
	"CSMS.0301": {400, "Invalid X-Auth-Token.", "the API gateway in front answers first, APIGW.0301"},
	"CSMS.0302": {403, inventedDeniedText, ""}, // the table names the code alone
	"CSMS.0401": {400, "Can not get the protected secret value using the provided KMS key.", "no key of the client's is ever asked"},
}

// TestDocumentedCodes: what this dialect says is in the vendor's table with
// that status and those words, or in the list of what is invented; and what is
// in the table is said somewhere, or there is a reason.
func TestDocumentedCodes(t *testing.T) {
	t.Parallel()
	all := []problem{
		invalidParameter, invalidRequest, wrongFormat, noResource, systemStage, scheduledAlready, notScheduled,
		tooManyStages, stagesOverQuota, noAPI, bodyTooLarge,
	}
	for _, p := range problems {
		all = append(all, p)
	}
	for _, of := range exceptions {
		for _, p := range of {
			all = append(all, p)
		}
	}
	gateway := map[string][]int{"APIGW.0101": {404}, "APIGW.0201": {400, 413, 414, 494, 502, 504}, "APIGW.0301": {401}, "APIGW.0308": {429}}
	invented := map[string]bool{inventedNameTaken: true, inventedInternal: true}
	said := map[string]bool{}
	for _, p := range all {
		said[p.code] = true
		d, known := documented[p.code]
		switch {
		case known && (p.status != d.status || p.msg != d.msg || d.never != ""):
			t.Errorf("%s is said with %d %q", p.code, p.status, p.msg)
		case known, invented[p.code]:
		default:
			found := false
			for _, status := range gateway[p.code] {
				found = found || status == p.status
			}
			if !found {
				t.Errorf("%d %s is neither documented nor among the invented", p.status, p.code)
			}
		}
		if http.StatusText(p.status) == "" {
			t.Errorf("%s has the status %d", p.code, p.status)
		}
	}
	for code, d := range documented {
		if said[code] == (d.never != "") {
			t.Errorf("%s: said %v, though %q", code, said[code], d.never)
		}
	}
}
