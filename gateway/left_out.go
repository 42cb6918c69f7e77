package gateway

import (
	"log/slog"

	"github.com/vaultferry/vaultferry/secret"
)

// leftOut is what the caller may know of what a list leaves out. The audit line,
// the log and the metrics tell what the answer lacks.
//
// A name is for whoever may list it, and a folder for whoever may list some name
// in it. What has no name of the model's matches no pattern: it is for whoever
// may list the whole store.
func (j *job) leftOut(all []secret.LeftOut) []secret.LeftOut {
	var shown []secret.LeftOut
	for i := range all {
		if j.mayKnow(&all[i]) {
			shown = append(shown, all[i])
		}
	}
	j.lacks(shown)
	return shown
}

func (j *job) mayKnow(l *secret.LeftOut) bool {
	switch {
	case l.Name == "":
		return j.policy.AllowWhole(j.call.Caller, j.action, j.Name)
	case l.Why == secret.LeftOutFolder:
		return j.policy.AllowWithin(j.call.Caller, j.action, j.target(l.Name))
	}
	return j.allowed(l.Name)
}

// lacks has the audit tell what an answer lacks.
func (j *job) lacks(all []secret.LeftOut) {
	var lacking []secret.LeftOut
	for i := range all {
		if all[i].Incomplete() {
			lacking = append(lacking, all[i])
		}
	}
	j.lacking, j.entry.Losses = len(lacking), nil
	for _, said := range secret.LeftOutSentences(lacking) {
		j.entry.Losses = append(j.entry.Losses, secret.Data.String()+": "+said)
	}
}

// warnOfLack writes the log line of an answer that lacks something.
func (s *Service) warnOfLack(j *job) {
	if j.lacking == 0 {
		return
	}
	s.log.Warn("a list is not whole", slog.String("op", j.call.Op), slog.String("store", j.Name),
		slog.String("request_id", j.call.RequestID), slog.Int("lacking", j.lacking), slog.Any("losses", j.entry.Losses))
}
