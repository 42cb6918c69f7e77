// Package fleet holds several gateways over one store to what its manual says:
// whatever dies meanwhile, and in whichever order calls arrive.
package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// verb is what a client asks of one secret.
type verb string

const (
	doPut     verb = "put"
	doCreate  verb = "create" // a put that wants the name free
	doAdd     verb = "add"    // a put that wants the secret there
	doGet     verb = "get"
	doCurrent verb = "make current"
	doDelete  verb = "delete"
	doRecover verb = "recover"
	doPurge   verb = "purge"
	doImport  verb = "import"        // a creation of all that a backup holds
	doExactly verb = "purge exactly" // the deletion that its client has seen, and no other
)

// input is a call of the history.
type input struct {
	verb   verb
	value  string // that it writes; no two are alike
	which  string // the value of the version that is to become current
	seen   state  // what stood when its client looked
	client int
}

// result is what came of a call.
type result string

const (
	done    result = "done"
	absent  result = "not found"
	taken   result = "already exists"
	trashed result = "deleted"
	unknown result = "unknown" // its client was not told: it may have happened or not, then or later
)

type output struct {
	result result
	value  string // that a get read
}

// state is one secret: the values of its versions, oldest first, and which is
// current. A purged one has none.
type state struct {
	versions string // joined by commas
	current  string
	deleted  bool
	deletion int    // how many there were, where that counts: see doExactly
	asked    string // what clients of gateways were told to be done: see promise
}

func (s state) there() bool { return s.versions != "" && !s.deleted }

func (s state) holds(value string) bool {
	return slices.Contains(strings.Split(s.versions, ","), value)
}

// after is the state that a call leaves, and what it answers.
func (s state) after(in input) (state, output) {
	switch in.verb {
	case doPut, doCreate, doAdd, doImport:
		switch {
		case s.deleted:
			return s, output{result: trashed}
		case in.verb == doAdd && !s.there():
			return s, output{result: absent}
		case (in.verb == doCreate || in.verb == doImport) && s.there():
			return s, output{result: taken}
		case s.versions != "":
			s.versions += ","
		}
		s.versions, s.current = s.versions+in.value, in.value
		return s, output{result: done}
	case doGet:
		if !s.there() {
			return s, output{result: absent}
		}
		return s, output{done, s.current}
	case doCurrent:
		if !s.there() || !s.holds(in.which) {
			return s, output{result: absent}
		}
		s.current = in.which
		return s, output{result: done}
	case doDelete:
		if !s.there() {
			return s, output{result: absent}
		}
		s.deleted, s.deletion = true, s.deletion+1
		return s, output{result: done}
	case doRecover:
		if !s.deleted {
			return s, output{result: absent}
		}
		s.deleted = false
		return s, output{result: done}
	case doPurge, doExactly:
		if !s.deleted || in.verb == doExactly && (in.seen.versions != s.versions || in.seen.deletion != s.deletion) {
			return s, output{result: absent}
		}
		return state{deletion: s.deletion, asked: s.asked}, output{result: done}
	}
	panic("no such verb")
}

// promise is what every store promises of one secret. gateways is for the histories
// of their clients, none of whom names an older version: which there are is
// forgotten, so that orders of writes that differ in nothing else are one state.
// There a client that asks again for what has no body, and was done for it within a
// minute, may be told once more that it is done: its gateway may have ended before it
// noted that the first was answered.
func promise(gateways bool) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, in, out any) []any {
			before, _ := s.(state)
			call, _ := in.(input)
			got, _ := out.(output)
			after, want := before.after(call)
			again := false
			if gateways {
				again = after.repeats(call)
			}
			switch {
			case got.result == unknown:
				return []any{before, after}
			case got == want:
				return []any{after}
			case gateways && got.result == done && (again || call.verb == doRecover) && before.isAfter(call.verb):
				return []any{before} // and of several recoveries at once a gateway tells all that it is back
			}
			return nil
		},
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v -> %v", in, out) },
	}
	return m.ToModel()
}

// repeats forgets what no client of a gateway names, and notes a call without a body.
// It reports whether that was noted before.
func (s *state) repeats(in input) bool {
	s.deletion = 0
	if s.versions != "" {
		s.versions = s.current
	}
	if in.verb != doDelete && in.verb != doPurge && in.verb != doRecover {
		return false
	}
	note := fmt.Sprintf("%d %s;", in.client, in.verb)
	if strings.Contains(s.asked, note) {
		return true
	}
	notes := append(strings.SplitAfter(s.asked, ";"), note)
	slices.Sort(notes)
	s.asked = strings.Join(notes, "")
	return false
}

// isAfter reports whether the secret is as the call would leave it.
func (s state) isAfter(v verb) bool {
	return v == doDelete && s.deleted || v == doPurge && s.versions == "" || v == doRecover && s.there()
}

// history is what clients did to some secrets, and what they were told.
type history struct {
	mu    sync.Mutex
	start time.Time
	of    map[string][]porcupine.Operation
}

func newHistory() *history {
	return &history{start: time.Now(), of: map[string][]porcupine.Operation{}}
}

func (h *history) now() int64 { return time.Since(h.start).Nanoseconds() }

// record runs a call. One that was refused for now, and provably changed nothing,
// reports false: it is no part of the history.
func (h *history) record(client int, name string, in input, do func() (output, bool)) output {
	called := h.now()
	out, counts := do()
	back := h.now()
	if !counts {
		return out
	}
	if out.result == unknown {
		back = 1 << 62 // it may still happen
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[name] = append(h.of[name], porcupine.Operation{ClientId: client, Input: in, Call: called, Output: out, Return: back})
	return out
}

// mayHave adds a try of a call that was cut, before the one that was answered: it may
// have done the same, then or later. A gateway takes the answered one for a repeat
// only while nobody else has written since.
func (h *history) mayHave(client int, name string, in input, called int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[name] = append(h.of[name], porcupine.Operation{ClientId: client, Input: in, Call: called, Output: output{result: unknown}, Return: 1 << 62})
}

// checkTime bounds the check of one secret's history, which takes far less, on a
// machine that may be busy. One that takes longer is not a pass.
const checkTime = 5 * time.Minute

// countTime bounds it where products are counted that promise nothing: to tell that
// no order explains a history takes as long as there are orders.
const countTime = 5 * time.Second

// check returns what is not linearizable, or was not decided in that time.
func (h *history) check(gateways bool, most time.Duration) (violated, undecided []string) {
	for _, name := range slices.Sorted(maps.Keys(h.of)) {
		switch porcupine.CheckOperationsTimeout(promise(gateways), h.of[name], most) {
		case porcupine.Illegal:
			violated = append(violated, name+":\n"+h.tell(name))
		case porcupine.Unknown:
			undecided = append(undecided, name)
		case porcupine.Ok:
		}
	}
	return violated, undecided
}

func (h *history) tell(name string) string {
	var b strings.Builder
	for _, o := range slices.SortedFunc(slices.Values(h.of[name]), func(a, b porcupine.Operation) int { return int(a.Call - b.Call) }) {
		b.WriteString("  " + strconv.FormatInt(o.Call/1000, 10) + "-" + strconv.FormatInt(o.Return/1000, 10) + " µs " + fmt.Sprintf("%v -> %v\n", o.Input, o.Output))
	}
	return b.String()
}

// count is how many calls a history has, and how many of them nobody knows.
func (h *history) count() (calls, lost int) {
	for _, ops := range h.of {
		for _, o := range ops {
			calls++
			if out, _ := o.Output.(output); out.result == unknown {
				lost++
			}
		}
	}
	return calls, lost
}

// TestChecker: the checker finds what it is for. A history that no order of its
// calls explains is no pass.
func TestChecker(t *testing.T) {
	t.Parallel()
	op := func(call, back int64, in input, out output) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Output: out, Return: back}
	}
	put := func(call, back int64, value string) porcupine.Operation {
		return op(call, back, input{verb: doPut, value: value}, output{result: done})
	}
	get := func(call, back int64, value string) porcupine.Operation {
		return op(call, back, input{verb: doGet}, output{done, value})
	}
	for what, c := range map[string]struct {
		of   []porcupine.Operation
		want porcupine.CheckResult
	}{
		"one after the other": {[]porcupine.Operation{put(1, 2, "a"), put(3, 4, "b"), get(5, 6, "b")}, porcupine.Ok},
		"a lost write":        {[]porcupine.Operation{put(1, 2, "a"), put(3, 4, "b"), get(5, 6, "a")}, porcupine.Illegal},
		"a read of the past":  {[]porcupine.Operation{put(1, 2, "a"), put(3, 9, "b"), get(4, 5, "b"), get(6, 7, "a")}, porcupine.Illegal},
		"a killed write that shows late": {[]porcupine.Operation{
			put(1, 2, "a"), op(3, 1<<62, input{verb: doPut, value: "b"}, output{result: unknown}), get(4, 5, "a"), get(6, 7, "b"),
		}, porcupine.Ok},
		"a killed write that shows and goes": {[]porcupine.Operation{
			put(1, 2, "a"), op(3, 1<<62, input{verb: doPut, value: "b"}, output{result: unknown}), get(4, 5, "b"), get(6, 7, "a"),
		}, porcupine.Illegal},
		"two creations": {[]porcupine.Operation{
			op(1, 3, input{verb: doCreate, value: "a"}, output{result: done}), op(2, 4, input{verb: doCreate, value: "b"}, output{result: done}),
		}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(promise(false), c.of, checkTime); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}
