package azure

import (
	"bytes"
	"encoding/json"
	"testing"
	"testing/quick"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

// TestAppendJSON holds the answers to what their tags say.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	same := func(body wire.Appender) bool {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			t.Fatal(err)
		}
		got := string(body.AppendJSON(nil)) + "\n"
		if got != want.String() {
			t.Logf("%s, want %s", got, want.String())
		}
		return got == want.String()
	}
	check := func(value, link *string, texts [5]string, flags [2]bool, a attributes, tags map[string]string, deletedAt, purge int64) bool {
		b := bundle{Value: value, ContentType: texts[0], ID: texts[1], KID: texts[2], Managed: flags[0], Attributes: a, Tags: tags}
		bare := bundle{ID: texts[3]}
		d := deleted{RecoveryID: texts[4], Deleted: deletedAt, ScheduledPurge: purge, bundle: b}
		return same(b) && same(bare) && same(d) &&
			same(page[bundle]{Value: []bundle{}}) && same(page[bundle]{Value: []bundle{b, bare}, NextLink: link}) && same(page[deleted]{Value: []deleted{d}})
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
	if !same(bundle{Tags: map[string]string{}, ContentType: `a "b" <c>`}) {
		t.Error("an empty set of tags")
	}
}
