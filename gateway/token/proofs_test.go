package token

import (
	"errors"
	"strconv"
	"testing"
)

func TestProofs(t *testing.T) {
	t.Parallel()
	var p proofs[int]
	asked := 0
	prove := func() (proof[int], error) { asked++; return proof[int]{key: "k"}, nil }
	for range 3 {
		if got, err := p.find("token", prove); err != nil || got.key != "k" {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("proved %d times", asked)
	}
	refused := errors.New("refused")
	for range 2 {
		if _, err := p.find("guess", func() (proof[int], error) { asked++; return proof[int]{key: "k"}, refused }); !errors.Is(err, refused) {
			t.Errorf("%v", err)
		}
	}
	if asked != 3 || len(p.seen) != 1 {
		t.Error("a guess is remembered")
	}
	for i := range 3 * maxProofs {
		if _, err := p.find(strconv.Itoa(i), prove); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.seen) > maxProofs {
		t.Errorf("%d proofs are kept", len(p.seen))
	}
}
