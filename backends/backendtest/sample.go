package backendtest

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// sampleTime is when the first version of every sample was made.
var sampleTime = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

// Sample returns a secret that uses everything the model has, the same at each
// call but for the name and the UIDs, which depend on the name.
//
// It has twelve versions, 1 to 13 without 6: texts with line breaks, tabs and
// non-ASCII, a PEM block, an empty text, 25 600 bytes, bytes that are no
// UTF-8, fields, a version whose value was destroyed, one disabled. Versions 7
// and 8 were created in the same instant. 12 is current, 11 previous, 13
// pending under a stage.
func Sample(name secret.Name) *secret.Secret {
	s := &secret.Secret{
		Name:        name,
		Description: "the sample: \"quoted\", ünïcode and\na second line",
		Tags:        map[string]string{"team": "payments", "empty": "", "größe": "groß & <klein>"},
		Created:     sampleTime,
		Updated:     sampleTime.Add(30 * 24 * time.Hour),
		Current:     12,
		Previous:    11,
		Extra:       secret.Extra{"sample.secret": json.RawMessage(`{"depth":{"list":[1,"two",null]}}`)},
	}
	for _, v := range sampleVersions() {
		v.UID = secret.DeriveUID("sample", string(name), v.Ordinal.String(), sampleTime)
		if v.Created.IsZero() {
			v.Created = sampleTime.Add(time.Duration(v.Ordinal-1) * 36 * time.Hour)
		}
		if v.Updated.IsZero() {
			v.Updated = v.Created
		}
		s.Versions = append(s.Versions, v)
	}
	return s
}

func sampleVersions() []secret.Version {
	seventh := sampleTime.Add(9 * 24 * time.Hour)
	return []secret.Version{
		{Ordinal: 1, Value: secret.TextValue(canary + "first")},
		{Ordinal: 2, Value: secret.TextValue(canary + "line one\nline two\r\n\ttabbed \"quoted\" \\ ünï 日本 😀\n"), ContentType: "text/plain; charset=utf-8"},
		{Ordinal: 3, Value: secret.TextValue(samplePEM()), ContentType: "application/x-pem-file", Tags: map[string]string{"kind": "pem"}},
		{Ordinal: 4, Value: secret.TextValue("")},
		{Ordinal: 5, Value: secret.TextValue(canary + strings.Repeat("0123456789abcdef", 1600)[len(canary):])},
		{Ordinal: 7, Value: secret.BinaryValue([]byte("\xff\xfe\x00" + canary + "\x00\x80\xc3\x28")), ContentType: "application/octet-stream", Created: seventh},
		{Ordinal: 8, Missing: secret.Destroyed, Created: seventh},
		{Ordinal: 9, Value: secret.TextValue(canary + "disabled"), Disabled: true, Updated: sampleTime.Add(20 * 24 * time.Hour)},
		{Ordinal: 10, Value: secret.FieldsValue([]byte(`{"host":"db.example","password":"` + canary + `fields","user":"app"}`)), ContentType: "application/json"},
		{
			Ordinal: 11, Value: secret.TextValue(canary + "previous"),
			NotBefore: sampleTime.Truncate(time.Second), Expires: sampleTime.AddDate(40, 0, 0).Truncate(time.Second),
			Tags: map[string]string{"env": "prod", "owner": "ci & <co>"},
		},
		{
			Ordinal: 12, Value: secret.TextValue(canary + "current"), ContentType: "password",
			Expires: sampleTime.AddDate(41, 0, 0).Truncate(time.Second), Tags: map[string]string{"env": "prod"},
			Stages: []string{"blue", "green"},
			Extra:  secret.Extra{"sample.version": json.RawMessage(`"kept"`)},
		},
		{Ordinal: 13, Value: secret.TextValue(canary + "pending"), Stages: []string{"pending"}},
	}
}

// samplePEM is a well-formed block that is no key of anybody.
func samplePEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes.Repeat([]byte(canary), 40)}))
}
