package access_test

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
)

func TestBearer(t *testing.T) {
	t.Parallel()
	c := access.NewCredentials()
	if err := c.AddToken(sha256.Sum256([]byte("tok")), access.Credential{Caller: "ci"}); err != nil {
		t.Fatal(err)
	}
	fault := func(token, audience string) *access.TokenError {
		t.Helper()
		who, err := c.Bearer(token, access.From{Via: "azure"}, func() string { return audience })
		var e *access.TokenError
		if !errors.As(err, &e) || !reflect.DeepEqual(who, access.Caller{}) {
			t.Fatalf("%v, %v: want a TokenError and nobody", who, err)
		}
		return e
	}
	if e := fault("issued", "a"); e.Fault != access.UnknownToken {
		t.Errorf("without a login: %v", e)
	}
	c.Trust(func(token string) (access.Grant, error) {
		if token != "issued" {
			return access.Grant{}, &access.TokenError{Fault: access.ExpiredToken}
		}
		return access.Grant{Caller: access.Caller{ID: "job"}, Audience: "a"}, nil
	})
	for _, want := range []struct{ token, audience, id string }{
		{"tok", "a", "ci"}, {"tok", "", "ci"}, {"issued", "a", "job"}, {"issued", "", "job"},
	} {
		if who, err := c.Bearer(want.token, access.From{Via: "azure"}, func() string { return want.audience }); err != nil || who.ID != want.id || who.Via != "azure" {
			t.Errorf("%+v: %+v, %v", want, who, err)
		}
	}
	if e := fault("issued", "b"); e.Fault != access.WrongAudience || e.Want != "b" || e.Found != "a" {
		t.Errorf("another audience: %+v", e)
	}
	if e := fault("other", "a"); e.Fault != access.ExpiredToken {
		t.Errorf("expired: %v", e)
	}
	for f := access.UnknownToken; f <= access.WrongIssuer; f++ {
		if (&access.TokenError{Fault: f}).Error() == "" {
			t.Errorf("fault %d has no words", f)
		}
	}
}
