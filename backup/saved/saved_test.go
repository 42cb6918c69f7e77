package saved

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// sealed is a backup of a secret of that name.
func sealed(t testing.TB, name secret.Name) string {
	t.Helper()
	b, err := backup.NewKeyring().Seal(&backup.Document{
		Origin: backup.Origin{Gateway: "g", Store: "s", Name: name}, SealedAt: time.Unix(1e9, 0).UTC(),
		Secret: &secret.Secret{Name: name, Current: 1, Versions: []secret.Version{
			{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("hush " + strings.Repeat("x", 100))},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func url(blob string) string { return base64.RawURLEncoding.EncodeToString([]byte(blob)) }

func wrapped(s, lineEnd string, width int) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(s), width) {
		b.Write(line)
		b.WriteString(lineEnd)
	}
	return b.String()
}

// powerShell is what Out-File and > write there.
func powerShell(s string, bigEndian bool) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	if bigEndian {
		for i := 0; i < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	}
	return string(b)
}

func nested(depth int, s string) string {
	return strings.Repeat(`{"a":`, depth) + `"` + s + `"` + strings.Repeat("}", depth)
}

// kept is a backup in every form that one was met in, and where it is found.
func kept(blob string) map[string]struct{ raw, path string } {
	std := base64.StdEncoding.EncodeToString([]byte(blob))
	answer := `{"value":"` + url(blob) + `"}`
	return map[string]struct{ raw, path string }{
		"the file":                     {blob, ""},
		"with a line end":              {blob + "\r\n", ""},
		"with a mark":                  {"\xef\xbb\xbf" + blob, ""},
		"base64url":                    {url(blob), ""},
		"base64url, padded":            {base64.URLEncoding.EncodeToString([]byte(blob)), ""},
		"base64":                       {std + "\n", ""},
		"base64, wrapped at 76":        {wrapped(std, "\r\n", 76), ""},
		"base64, wrapped at 64":        {wrapped(std, "\n", 64), ""},
		"base64url, wrapped at 20":     {wrapped(url(blob), "\n  ", 20), ""},
		"the file, wrapped at 76":      {wrapped(blob, "\r\n", 76), ""},
		"the file, wrapped at 64":      {wrapped(blob, "\n", 64), ""},
		"huawei's answer, wrapped":     {`{"secret_blob":"` + strings.ReplaceAll(wrapped(blob, "\n", 64), "\n", `\n`) + `"}`, "secret_blob"},
		"the file in single quotes":    {`'` + blob + `'`, ""},
		"a quoted string":              {`"` + url(blob) + `"` + "\n", ""},
		"in single quotes":             {`'` + url(blob) + `'` + "\n", ""},
		"azure's answer":               {answer, "value"},
		"azure's answer, indented":     {"{\r\n  \"value\": \"" + url(blob) + "\"\r\n}\r\n", "value"},
		"with a mark, CRLF":            {"\xef\xbb\xbf" + answer + "\r\n", "value"},
		"UTF-16, little end first":     {powerShell(answer+"\r\n", false), "value"},
		"UTF-16, big end first":        {powerShell(answer+"\r\n", true), "value"},
		"UTF-16 of the file":           {powerShell(blob+"\r\n", false), ""},
		"huawei's answer":              {`{"secret_blob":"` + blob + `"}`, "secret_blob"},
		"huawei's answer, blanks":      {`{"secret_blob":" ` + blob + `\n"}`, "secret_blob"},
		"white space around base64url": {"\r\n " + url(blob) + "\r\n", ""},
		"blanks in azure's answer":     {`{"value":" ` + url(blob) + `\r\n"}`, "value"},
		"a blob as value":              {`{"value":"` + blob + `"}`, "value"},
		"both of one":                  {`{"value":"` + url(blob) + `","secret_blob":"` + blob + `"}`, "value"},
		"base64 in huawei's":           {`{"secret_blob":"` + std + `"}`, "secret_blob"},
		"wrapped within JSON":          {`{"value":"` + strings.ReplaceAll(wrapped(std, "\n", 64), "\n", `\n`) + `"}`, "value"},
		"beside other members":         {`{"id":"https://x","n":1e999,"value":"` + url(blob) + `","x":null}`, "value"},
		"terraform output -json":       {`{"db":{"sensitive":true,"type":"string","value":"` + url(blob) + `"}}`, "db.value"},
		"terraform, in a list":         {`{"all":{"sensitive":true,"type":["tuple",["string"]],"value":["x","` + url(blob) + `"]}}`, "all.value[1]"},
		"a list of answers":            {`[{"error":"x"},` + answer + `]`, "[1].value"},
		"JSON lines":                   {`{"value":null}` + "\n" + answer, "document 2: value"},
		"twice the same":               {`{"a":"` + url(blob) + `","b":"` + std + `"}`, "a"},
		"az -o yaml":                   {"id: x\nvalue: " + url(blob) + "\nkind: y\n", "line 2"},
		"YAML, folded and wrapped":     {"value: >-\n  " + wrapped(url(blob), "\n  ", 70) + "\nnext: 1\n", "line 2"},
		"a Secret of Kubernetes":       {"apiVersion: v1\ndata:\n  db: " + std + "\nkind: Secret\n", "line 3"},
		"YAML of a blob, quoted":       {`secret_blob: "` + blob + `"` + "\n", "line 1"},
		"Format-List":                  {"\r\n\r\nvalue : " + url(blob) + "\r\n\r\n\r\n", "line 1"},
		"Format-List, wrapped":         {"\r\nvalue : " + wrapped(url(blob), "\r\n        ", 72) + "\r\n\r\n", "line 1"},
		"a variable":                   {"BACKUP=" + url(blob) + "\n", "line 1"},
		"an exported variable":         {"#!/bin/sh\nexport BACKUP='" + url(blob) + "'\n", "line 2"},
		"CSV":                          {"name,value\r\ndb," + url(blob) + ",x\r\n", "line 2"},
		"a table of KooCLI":            {"+-------------+\n| secret_blob |\n+-------------+\n| " + blob + " |\n+-------------+\n", "line 4"},
		"a table of az":                {"Value\n-------\n" + url(blob) + "\n", "line 3"},
		"between tags":                 {"<value>" + url(blob) + "</value>", "line 1"},
		"armoured and wrapped":         {"-----BEGIN BACKUP-----\n" + wrapped(std, "\n", 64) + "\n-----END BACKUP-----\n", "line 2"},
		"a mail that quotes, wrapped":  {"Hello,\n> " + wrapped(url(blob), "\n> ", 70) + "\n\nYours\n", "line 2"},
		"single quotes, wrapped":       {"'" + wrapped(url(blob), "\n", 64) + "'\n", ""},
		"at the depth that is allowed": {nested(MaxDepth, url(blob)), strings.TrimSuffix(strings.Repeat("a.", MaxDepth), ".")},
		"beside what is deeper":        {`{"x":` + nested(100, "y") + `,"value":"` + url(blob) + `"}`, "value"},
	}
}

// TestFindsWhatPeopleKeep: one backup, in every form that one was met in.
func TestFindsWhatPeopleKeep(t *testing.T) {
	t.Parallel()
	blob := sealed(t, "db")
	for what, tt := range kept(blob) {
		found, err := Find([]byte(tt.raw))
		if err != nil || len(found) != 1 || string(found[0].Blob) != blob || found[0].Path != tt.path {
			t.Errorf("%s: %q, %v", what, paths(found), err)
		}
	}
}

func paths(found []Backup) (all []string) {
	for _, b := range found {
		all = append(all, b.Path)
	}
	return all
}

// TestFindsEach: in the order of the file, by its path.
func TestFindsEach(t *testing.T) {
	t.Parallel()
	a, b := sealed(t, "a"), sealed(t, "b")
	for raw, want := range map[string][]string{
		`{"z":{"value":"` + url(a) + `"},"b":["` + b + `","` + url(a) + `"]}`: {"z.value", "b[0]"},
		wrapped(url(a), "\n", 64) + "\n" + wrapped(url(b), "\n", 64):          {"line 1", fmt.Sprintf("line %d", (len(url(a))+63)/64+2)},
		`{"value":"` + url(a) + `"}` + "\n" + `{"value":"` + url(b) + `"}`:    {"value", "document 2: value"},
		a + "\n" + b + "\n": {"line 1", "line 2"},
		a + "\r\n" + url(b): {"line 1", "line 2"},
		"name,old,new\ndb," + url(a) + "," + url(b) + "\n":           {"line 2", "line 2"},
		"| " + a + " | " + b + " |\n":                                {"line 1", "line 1"},
		"A='" + url(a) + "' B='" + wrapped(url(b), "\n", 64) + "'\n": {"line 1", "line 1"},
		url(a) + " " + url(b):                                        {"line 1", "line 1"},
		url(a) + "\n" + b:                                            {"line 1", "line 2"},
		wrapped(a, "\n", 76) + "\n" + b:                              {"line 1", fmt.Sprintf("line %d", (len(a)+75)/76+2)},
	} {
		found, err := Find([]byte(raw))
		if err != nil || !slices.Equal(paths(found), want) || string(found[0].Blob) != a || string(found[1].Blob) != b {
			t.Errorf("%q, want %q: %v", paths(found), want, err)
		}
	}
}

// TestFindsNothing: an error says what was looked for, and repeats nothing.
func TestFindsNothing(t *testing.T) {
	t.Parallel()
	blob := sealed(t, "db")
	for what, tt := range map[string]struct{ raw, want string }{
		"nothing":              {"", "empty"},
		"gzip":                 {"\x1f\x8b\x08hush", "it is compressed: gzip -d unpacks it"},
		"a zip":                {"PK\x03\x04hush", "it is compressed: unzip unpacks it"},
		"within a word":        {"x" + url(blob), "no backup in it"},
		"with another behind":  {"value: " + url(blob) + "/x", "no backup in it"},
		"blanks":               {"\xef\xbb\xbf \r\n", "empty"},
		"another text":         {"age-encryption.org/v1 hush", "no backup in it"},
		"base64 of another":    {url("hush"), "no backup in it"},
		"base64 of base64":     {url(url(blob)), "no backup in it"},
		"an empty object":      {`{}`, "no backup in it"},
		"an error":             {`{"error":{"code":"Forbidden","message":"hush"}}`, "no backup in it"},
		"an empty value":       {`{"value":"","secret_blob":null}`, "no backup in it"},
		"a number":             {`{"value":1}`, "no backup in it"},
		"an empty blob":        {`{"secret_blob":""}`, "no backup in it"},
		"as a key":             {`{"` + url(blob) + `":1}`, "no backup in it"},
		"JSON, cut":            {`{"value":"` + url(blob), "breaks off"},
		"JSON, wrong":          {`{"value":hush}`, "is wrong after byte"},
		"JSON, closed twice":   {`{"value":"hush"}}`, "is wrong after byte"},
		"too deep":             {nested(MaxDepth+1, url(blob)), "deeper than 16 levels"},
		"deeper than anything": {strings.Repeat("[", 1<<20), "deeper than 1000 levels"},
		"half of UTF-16":       {"\xff\xfe)\x00h", "breaks off in the middle"},
		"no UTF-16":            {"\xff\xfe\x00\xd8x\x00", "is none"},
	} {
		found, err := Find([]byte(tt.raw))
		if secret.KindOf(err) != secret.Corrupt || !strings.Contains(secret.DetailOf(err), tt.want) || strings.Contains(err.Error(), "hush") || found != nil {
			t.Errorf("%s: %q, %v", what, paths(found), err)
		}
	}
	var many strings.Builder
	for i := range Most + 1 {
		fmt.Fprintf(&many, "%s\n", url(fmt.Sprintf("%s%d", blob[:60], i)))
	}
	if _, err := Find([]byte(many.String())); !strings.Contains(secret.DetailOf(err), "more than 10000") {
		t.Errorf("too many: %v", err)
	}
	// What begins like a blob is one; whoever opens it says what is wrong.
	if found, err := Find([]byte(")hush")); err != nil || len(found) != 1 {
		t.Errorf("%v", err)
	}
}

func FuzzFind(f *testing.F) {
	blob := sealed(f, "db")
	std := base64.StdEncoding.EncodeToString([]byte(blob))
	for _, s := range []string{
		blob, std, wrapped(std, "\r\n", 64), `"` + url(blob) + `"`, powerShell(`{"value":"`+url(blob)+`"}`, false),
		powerShell(blob, true), nested(MaxDepth, url(blob)), `[{"secret_blob":"` + blob + `"},1e999,null]{"a":["x"]}`, "\xff\xfe\x00\xd8",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := Find(raw)
		if err != nil {
			if secret.KindOf(err) != secret.Corrupt || secret.DetailOf(err) == "" || found != nil {
				t.Fatalf("%d found, and %v", len(found), err)
			}
			return
		}
		if len(found) == 0 {
			t.Fatal("neither a backup nor an error")
		}
		total := 0
		for _, b := range found {
			total += len(b.Blob)
			if len(b.Blob) == 0 || b.Blob[0] != firstByte || (b.Path != "" && backup.FormatOf(b.Blob) == "") {
				t.Fatalf("at %q is no blob", b.Path)
			}
			again, err := Find([]byte(url(string(b.Blob))))
			if backup.FormatOf(b.Blob) != "" && (err != nil || string(again[0].Blob) != string(b.Blob)) {
				t.Fatalf("its base64url form gives another: %v", err)
			}
		}
		same, err := Replace(raw, func(Backup) ([]byte, error) { return nil, nil })
		if text, _ := textOf(raw); err != nil || (utf8.Valid(text) && !bytes.Equal(same, raw)) {
			t.Fatalf("nothing was replaced, and it is another: %v", err)
		}
		if _, err := Replace(raw, func(Backup) ([]byte, error) { return []byte(blob), nil }); err != nil {
			t.Fatal(err)
		}
		if total > 2*len(raw) { // UTF-16 of what takes three bytes
			t.Fatalf("%d bytes grew to %d", len(raw), total)
		}
	})
}
