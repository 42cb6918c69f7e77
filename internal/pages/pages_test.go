package pages_test

import (
	"reflect"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
)

const page = "# A page\n\nRun `one` or `two`:\n\n```\none\n# a comment\n```\n\n## More\n\n- an item:\n\n  ```yaml\n  a: `b`\n  ```\n\n```sh\nthree \\\n  four\n```\n"

func TestBlocks(t *testing.T) {
	t.Parallel()
	want := []pages.Block{
		{Title: "A page", Text: "one\n# a comment\n"},
		{Title: "More", Kind: "yaml", Text: "  a: `b`\n"},
		{Title: "More", Kind: "sh", Text: "three \\\n  four\n"},
	}
	if got := pages.Blocks(page); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	if text, ok := pages.First(page, "sh"); text != want[2].Text || !ok {
		t.Errorf("%q, %v", text, ok)
	}
	if _, ok := pages.First(page, "python"); ok {
		t.Error("it has a block that is not there")
	}
	if got := pages.Spans(page); !reflect.DeepEqual(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}
