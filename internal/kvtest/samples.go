package kvtest

import (
	"encoding/json"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Text is a draft of a text and nothing else.
func Text(s string) secret.Draft { return secret.Draft{Value: secret.TextValue(s)} }

// Many returns a secret of n versions, each with attributes.
func Many(name secret.Name, n int, tag string) *secret.Secret {
	born := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
	s := &secret.Secret{Name: name, Created: born, Updated: born, Current: secret.Ordinal(n), Previous: secret.Ordinal(n - 1)}
	for i := range n {
		at := born.Add(time.Duration(i) * time.Hour)
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Value: secret.TextValue(fmt.Sprint("canary-", i)),
			Created: at, Updated: at, Tags: map[string]string{"n": fmt.Sprint(i), "long": tag}, ContentType: "text/plain",
		})
	}
	return s
}

// AnyObject draws a JSON object of any members.
func AnyObject(rt *rapid.T) []byte {
	leaf := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(i int64) any { return json.Number(fmt.Sprint(i)) }),
		rapid.Map(rapid.Float64Range(-1e300, 1e300), func(x float64) any { return x }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Just[any](nil), rapid.Just[any](true),
	)
	return []byte(sidecar.JSON(rapid.MapOf(rapid.StringN(0, 20, -1), leaf).Draw(rt, "object")))
}
