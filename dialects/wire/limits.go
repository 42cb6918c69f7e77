package wire

import (
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Limits bound what the requests of one gateway cost. All dialects
// of a gateway share one.
type Limits struct {
	// Pace slows down those who prove nothing. Nil: nobody.
	Pace *access.Pace
	// Rates bound how often callers ask. Nil: nobody.
	Rates *access.Rates

	strangers *budget // bytes of bodies whose sender is not proved, by network: of each the first megabyte
	large     *budget // the same, of each all that is behind
	callers   *budget // bytes of bodies of proved callers
	answers   *budget // places for large answers, by caller
	spare     spareBuffer
}

const (
	// strangersHold is what the first megabytes of strangers' bodies may hold, of
	// which one network has half. Behind them there is room for one body of the
	// largest.
	strangersHold = 32 << 20
	// bodyPace and answerPace are what an honest client manages, in bytes a
	// second. Whoever is slower loses his place when others wait for it.
	bodyPace   = 32 << 10
	answerPace = 128 << 10

	strangersWait = 10 * time.Second
	callersWait   = 30 * time.Second
	// largeAnswer is from how many bytes on an answer keeps its place until the
	// client has it.
	largeAnswer = 1 << 20
)

// Budget is room that requests share, and how much of it they have now.
type Budget struct {
	Name        string
	Used, Limit int64 // bytes, or places
}

// Budgets returns what requests have of each budget.
func (l *Limits) Budgets() []Budget {
	of := func(name string, b *budget) Budget {
		b.mu.Lock()
		defer b.mu.Unlock()
		return Budget{Name: name, Used: b.used, Limit: b.total}
	}
	return []Budget{
		of("stranger_body_bytes", l.strangers), of("large_stranger_body_bytes", l.large),
		of("caller_body_bytes", l.callers), of("large_answers", l.answers),
	}
}

// NewLimits returns limits for bodies of up to maxBlob bytes, of which blobs
// are worked on at once.
func NewLimits(maxBlob int64, blobs int) *Limits {
	largest, some := max(maxBlob, DefaultMaxBody), int64(max(blobs, 1))
	l := &Limits{
		strangers: newBudget(strangersHold, strangersHold/2, bodyPace, strangersWait),
		large:     newBudget(largest, largest, bodyPace, strangersWait),
		callers:   newBudget(largest*some, largest*some, bodyPace, callersWait),
		answers:   newBudget(2*some, 2*some, answerPace, callersWait),
	}
	l.strangers.even, l.large.even = true, true
	return l
}
