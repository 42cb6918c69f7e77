package migrate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// TestParseRename: tables of editors and spreadsheets are read, and what could be
// read wrongly is refused with what to do.
func TestParseRename(t *testing.T) {
	type names = map[secret.Name]secret.Name
	ab := names{"a": "b", "c": "d"}
	for _, c := range []struct {
		about, text string
		want        names
		refused     string
	}{
		{about: "commas", text: "a,b\nc,d\n", want: ab},
		{about: "nothing", text: "", want: names{}},
		{about: "semicolons and line ends of Windows", text: "a;b\r\nc;d\r\n", want: ab},
		{about: "tabs", text: "a\tb\nc\td", want: ab},
		{about: "quotes", text: "\"a\";\"b\"\n\"c\";\"d\"\n", want: ab},
		{about: "a heading", text: "From;To\na;b\nc;d\n", want: ab},
		{about: "a heading in the middle is a name", text: "a,b\nfrom,to\n", want: names{"a": "b", "from": "to"}},
		{about: "Excel's line", text: "sep=;\r\na;b\r\nc;d\r\n", want: ab},
		{about: "empty rows and columns", text: "a;b;;\n\n;\n;;;\nc;d;;\n  \n\n", want: ab},
		{about: "non-ASCII", text: "schlüssel;clé\n", want: names{"schlüssel": "clé"}},
		{about: "a comma in quotes", text: "\"a,b\",c\n", want: names{"a,b": "c"}},
		{about: "a semicolon in a name, once", text: "a;b,c\nd,e\n", want: names{"a;b": "c", "d": "e"}},
		{about: "two readings", text: "a;b,c\n", refused: "in quotes"},
		{about: "two readings, one of them wrong", text: "a,b;\n", refused: "in quotes"},
		{about: "Latin-1", text: "schl\xfcssel;b\n", refused: "CSV UTF-8"},
		{about: "UTF-16 without a mark", text: "a\x00;\x00b\x00", refused: "CSV UTF-8"},
		{about: "three columns", text: "a,b,c\n", refused: "from,to"},
		{about: "one column", text: "a\n", refused: "from,to"},
		{about: "mixed separators", text: "a,b\nc;d\n", refused: "from,to"},
		{about: "twice", text: "a;b\na;c\n", refused: `line 2: "a" is named twice`},
		{about: "no target", text: "a;b\nc;\n", refused: "line 2: one of the two names is missing"},
		{about: "no source", text: "a;b\n;d\n", refused: "line 2: one of the two names is missing"},
	} {
		t.Run(c.about, func(t *testing.T) {
			got, err := migrate.ParseRename([]byte(c.text))
			switch {
			case c.refused != "":
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, %v; want an error with %q", got, err, c.refused)
				}
			case err != nil:
				t.Error(err)
			default:
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
