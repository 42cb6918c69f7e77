package backends

import (
	"context"
	"net/http"
)

// AnswerKind is how a product answered an HTTP request.
type AnswerKind int

// The kinds of answer, worst last.
const (
	AnswerAccepted  AnswerKind = iota // 2xx and 3xx
	AnswerRejected                    // 4xx, but for the next one
	AnswerThrottled                   // 429
	AnswerFailed                      // 5xx
	AnswerMissing                     // none came
	answerKinds
)

// AnswerCounts counts answers by kind.
type AnswerCounts [answerKinds]int32

// String is the code of HTTP, or its class.
func (k AnswerKind) String() string {
	return [answerKinds]string{"2xx", "4xx", "429", "5xx", "none"}[k]
}

// CountAnswer counts how a call of CountCall was answered. The status is zero where
// it was not.
func CountAnswer(ctx context.Context, status int) {
	kind := AnswerAccepted
	switch {
	case status == 0:
		kind = AnswerMissing
	case status == http.StatusTooManyRequests:
		kind = AnswerThrottled
	case status >= http.StatusInternalServerError:
		kind = AnswerFailed
	case status >= http.StatusBadRequest:
		kind = AnswerRejected
	}
	for c, _ := ctx.Value(countKey{}).(*counted); c != nil; c = c.around {
		c.answers[kind].Add(1)
	}
}

// AnswersOf are those counted in the context of WithCallCount.
func AnswersOf(ctx context.Context) (all AnswerCounts) {
	if c, ok := ctx.Value(countKey{}).(*counted); ok {
		for i := range all {
			all[i] = c.answers[i].Load()
		}
	}
	return all
}
