package secret

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestWithoutPath: what the system says of a file is told once it is named.
func TestWithoutPath(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&fs.PathError{Op: "open", Path: "canary", Err: fs.ErrNotExist},
		&os.LinkError{Op: "link", Old: "canary", New: "canary", Err: fs.ErrNotExist},
		fs.ErrNotExist,
	} {
		if got := WithoutPath(err); got.Error() != "file does not exist" || !errors.Is(got, fs.ErrNotExist) {
			t.Errorf("%v is told as %v", err, got)
		}
	}
	if WithoutPath(nil) != nil {
		t.Error("nothing is an error")
	}
}
