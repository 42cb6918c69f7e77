package saved

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestReplace: in whatever form a backup is kept, another takes its place there, and
// nothing around it changes.
func TestReplace(t *testing.T) {
	t.Parallel()
	blob, other := sealed(t, "db"), sealed(t, "other")
	for what, tt := range kept(blob) {
		same, err := Replace([]byte(tt.raw), func(Backup) ([]byte, error) { return nil, nil })
		if err != nil || string(same) != tt.raw {
			t.Errorf("%s: it changes although nothing is replaced: %v", what, err)
		}
		there, err := Replace([]byte(tt.raw), func(b Backup) ([]byte, error) {
			if b.Path != tt.path || string(b.Blob) != blob {
				t.Errorf("%s: it is asked about %q", what, b.Path)
			}
			return []byte(other), nil
		})
		found, findErr := Find(there)
		if err != nil || findErr != nil || len(found) != 1 || found[0].Path != tt.path || string(found[0].Blob) != other {
			t.Errorf("%s: %q, %v, %v", what, paths(found), err, findErr)
			continue
		}
		back, err := Replace(there, func(Backup) ([]byte, error) { return []byte(blob), nil })
		padded := strings.Contains(tt.raw, "=") // of another length there may be no sign of that left
		if blanks := strings.Contains(what, "wrapped") || strings.Contains(what, "blanks"); err != nil || (string(back) != tt.raw && !blanks && !padded) {
			t.Errorf("%s: there and back is another: %v\n%q\n%q", what, err, tt.raw, back)
		}
	}
}

// TestReplaceEach: each of several is replaced by its own, or stays; and where one
// fails nothing is returned.
func TestReplaceEach(t *testing.T) {
	t.Parallel()
	a, b, c := sealed(t, "a"), sealed(t, "b"), sealed(t, "c")
	for _, raw := range []string{
		`{"z":{"value":"` + url(a) + `"},"b":["` + b + `","` + url(a) + `"]}`,
		wrapped(url(a), "\n", 64) + "\n" + wrapped(url(b), "\n", 64),
		`{"value":"` + url(a) + `"}` + "\n" + `{"value":"` + url(b) + `"}`,
		"junk\n" + a + "\r\n" + b + "\r\n\r\n",
		"name,old,new\ndb," + url(a) + "," + url(b) + "\n",
		powerShell(`{"ü":"`+url(a)+`","value":"`+url(b)+`"}`, true),
	} {
		var asked []string
		out, err := Replace([]byte(raw), func(one Backup) ([]byte, error) {
			asked = append(asked, string(one.Blob))
			if string(one.Blob) == a {
				return []byte(c), nil
			}
			return nil, nil
		})
		found, findErr := Find(out)
		if err != nil || findErr != nil || !slices.Equal(asked, []string{a, b}) || len(found) != 2 || string(found[0].Blob) != c || string(found[1].Blob) != b {
			t.Errorf("%.40q: %q, %v, %v", raw, paths(found), err, findErr)
		}
		stop := errors.New("stop")
		if out, err := Replace([]byte(raw), func(one Backup) ([]byte, error) { return []byte(c), stop }); !errors.Is(err, stop) || out != nil {
			t.Errorf("%.40q: %v", raw, err)
		}
	}
	out, err := Replace([]byte(powerShell("\"ü "+"\"\r\n[\""+url(a)+"\"]", false)), func(Backup) ([]byte, error) { return []byte(b), nil })
	if want := powerShell("\"ü "+"\"\r\n[\""+url(b)+"\"]", false); err != nil || !bytes.Equal(out, []byte(want)) {
		t.Errorf("UTF-16: %q, %v", out, err)
	}
}
