package huawei_test

import (
	"strings"
	"testing"
)

// TestTemporaryKeyLife: the life of a temporary key at its bounds, one beyond,
// and where a product of 64 bits would wrap back into them.
func TestTemporaryKeyLife(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	token := logIn(t, g, projectScope("a"))
	for seconds, want := range map[string]int{
		"900": 201, "86400": 201, "899": 400, "86401": 400, "-1": 400,
		"18446744974": 400, "-18446743173": 400, "9223372036854775807": 400, "9223372036854775808": 400,
	} {
		body := `{"auth":{"identity":{"methods":["token"],"token":{"duration_seconds":` + seconds + `}}}}`
		a := withTokenRaw(t, g, token, "POST", "/v3.0/OS-CREDENTIAL/securitytokens", body)
		if a.Status != want || (a.Status == 201) != strings.Contains(a.Body, "securitytoken") {
			t.Errorf("%s seconds: %d, want %d", seconds, a.Status, want)
		}
	}
}
