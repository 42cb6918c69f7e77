package inventory_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// fewNames is a store whose lists know names alone where that is asked for. What is
// under a name is told by how it begins.
type fewNames struct {
	names    []secret.Name
	resolved []secret.Name // by lists that were asked for more
}

func (f *fewNames) list(_ context.Context, q secret.Query) (secret.Page, error) {
	var p secret.Page
	for _, n := range f.names {
		switch full := q.Limit > 0 && len(p.Secrets)+len(p.LeftOut) == q.Limit; {
		case n <= q.After:
		case full:
			p.Next = f.names[slices.Index(f.names, n)-1]
			return p, nil
		case q.NamesAlone:
			p.Secrets = append(p.Secrets, &secret.Secret{Name: n})
		default:
			f.resolved = append(f.resolved, n)
			f.resolve(&p, n)
		}
	}
	return p, nil
}

func (f *fewNames) resolve(p *secret.Page, n secret.Name) {
	is := &secret.Secret{Name: n, Versions: make([]secret.Version, 1)}
	switch kind, _, _ := strings.Cut(string(n), "-"); kind {
	case "gone":
		return
	case "trash":
		is.Deleted = &secret.Deletion{At: begun}
	case "empty", "unfinished", "unreadable":
		p.LeftOut = append(p.LeftOut, secret.LeftOut{Why: secret.LeftOutReason(kind), Name: n, Detail: "as it is"})
		return
	}
	p.Secrets = append(p.Secrets, is)
}

func digestOf(_ context.Context, n secret.Name) (*inventory.Entry, error) {
	e := &inventory.Entry{Name: n, Versions: []inventory.Version{{Number: 1, State: inventory.Enabled}}}
	switch kind, _, _ := strings.Cut(string(n), "-"); kind {
	case "gone", "trash", "unfinished", "unreadable":
		return nil, &secret.Error{Kind: secret.NotFound}
	case "denied":
		return nil, &secret.Error{Kind: secret.Denied}
	case "empty", "shown": // shown: a product whose lists show what is empty
		e.Versions[0].State = inventory.State(secret.Destroyed)
	}
	return e, nil
}

// TestTakeOfNamesAlone: what a list of names alone does not tell of, the inventory
// finds out, and asks for few others again.
func TestTakeOfNamesAlone(t *testing.T) {
	t.Parallel()
	for _, readers := range []int{1, 8} {
		var names []secret.Name
		for i := range 400 {
			names = append(names, secret.Name(fmt.Sprintf("live-%03d", i)))
		}
		odd := []secret.Name{"denied-1", "empty-1", "gone-1", "shown-1", "trash-1", "trash-2", "unfinished-1", "unreadable-1"}
		store := &fewNames{names: slices.Sorted(slices.Values(append(names, odd...)))}
		src := inventory.Source{List: store.list, Digest: digestOf, Readers: readers, Takes: func(*secret.Secret) bool { return true }}
		var got []string
		if err := src.Take(t.Context(), func(e *inventory.Entry) error {
			switch {
			case e.Unread != "":
				got = append(got, string(e.Name)+": "+e.Unread)
			case e.Deleted != nil:
				got = append(got, string(e.Name)+" in the trash")
			case !slices.Contains(names, e.Name):
				got = append(got, string(e.Name))
			}
			return nil
		}, func(error) bool { return false }); err != nil {
			t.Fatal(err)
		}
		if is := fmt.Sprint(got); is != "[denied-1: denied shown-1 trash-1 in the trash trash-2 in the trash unreadable-1: refused by the product]" {
			t.Errorf("%d readers: got %s", readers, is)
		}
		if n := len(store.resolved); n > 200 {
			t.Errorf("%d readers: %d of %d names are asked for again", readers, n, len(store.names))
		}
	}
}

// TestTakesWhatIsResolved: what a name turned out to be is asked about, too.
func TestTakesWhatIsResolved(t *testing.T) {
	t.Parallel()
	store := &fewNames{names: []secret.Name{"live-1", "trash-1"}}
	src := inventory.Source{List: store.list, Digest: digestOf, Readers: 2, Takes: func(s *secret.Secret) bool { return s.Deleted == nil }}
	var got []secret.Name
	err := src.Take(t.Context(), func(e *inventory.Entry) error {
		got = append(got, e.Name)
		return nil
	}, func(error) bool { return false })
	if err != nil || !slices.Equal(got, []secret.Name{"live-1"}) {
		t.Errorf("got %q, %v", got, err)
	}
}
