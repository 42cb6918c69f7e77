package azure

import "github.com/vaultferry/vaultferry/secret"

// apiVersions are all that are accepted, oldest first. New ones come several
// times a year; this is the one place to add them. The first is that of .NET's and
// PowerShell's clients before soft-delete (reported); that it is answered as the
// next one is inferred.
var apiVersions = []string{
	"2015-06-01", "2016-10-01", "7.0-preview", "7.0", "7.1-preview", "7.1", "7.2-preview", "7.2", "7.3-preview", "7.3",
	"7.4-preview.1", "7.4", "7.5-preview.1", "7.5", "7.6-preview.1", "7.6-preview.2", "7.6",
	"2025-06-01-preview", "2025-07-01", "2026-01-01-preview", "2026-03-01-preview", newestStable,
	"2026-05-01-preview", "2026-07-01-preview",
}

const (
	newestStable = "2026-04-01"
	// recoverableDays is in answers from this version on.
	firstWithDays = "7.1-preview"
)

// apiVersion is what answers depend on.
type apiVersion struct {
	name string
	days bool
}

// findVersion compares exactly: 7.40 is not 7.4.
func findVersion(s string) (apiVersion, error) {
	days := false
	for _, v := range apiVersions {
		days = days || v == firstWithDays
		if v == s {
			return apiVersion{name: v, days: days}, nil
		}
	}
	if s == "" {
		return apiVersion{}, refuse(secret.Invalid, noVersion, "api-version: missing")
	}
	return apiVersion{}, refuse(secret.Invalid, wrongVersion, "api-version: not known")
}
