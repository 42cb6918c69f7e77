package recording_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/recording"
)

const output = `
one <part> & more
ok    azure   bolt    wrote it, version 0123456789abcdef0123456789abcdef: ******** (28 bytes)
FAIL  huawei  memory  old version ffffffffffffffffffffffffffffffff, beside 0123456789abcdef0123456789abcdef
ok    cli     csms    backed up: 1578 bytes, sealed
`

// TestSVG: the picture is what was printed, as text, and nothing that a forge takes out.
func TestSVG(t *testing.T) {
	t.Parallel()
	svg := recording.SVG("try this", output, "a title")
	d := xml.NewDecoder(strings.NewReader(svg))
	var shown []string
	line, open := "", false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" || token.Name.Local == "image" || token.Name.Local == "foreignObject" {
				t.Errorf("it has an element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("it has an attribute %s", a.Name.Local)
				}
			}
			if token.Name.Local == "text" {
				line, open = "", true
			}
		case xml.CharData:
			if open {
				line += " " + string(token)
			}
		case xml.EndElement:
			if token.Name.Local == "text" {
				shown, open = append(shown, line), false
			}
		}
	}
	var want []string
	for _, s := range strings.Split("$ try this\n"+output, "\n") {
		if s != "" {
			want = append(want, s)
		}
	}
	words := func(lines []string) string { return strings.Join(strings.Fields(strings.Join(lines, " ")), " ") }
	if len(shown) != len(want) || words(shown) != words(want) {
		t.Errorf("it shows %q, want %q", shown, want)
	}
	if strings.Contains(svg, "url(") || strings.Contains(svg, "@import") {
		t.Error("it fetches something")
	}
}

// TestSteady: two runs are drawn alike, and ids that differed still do.
func TestSteady(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210", "1578", "1601").Replace(output)
	one, two := recording.Steady(output), recording.Steady(other)
	if one != two {
		t.Errorf("%s\n%s", one, two)
	}
	if strings.Contains(one, "0123456789abcdef") || !strings.Contains(one, "1600 bytes, sealed") || strings.Count(one, one[strings.Index(one, "version ")+8:][:32]) != 2 {
		t.Error(one)
	}
}
