package migrate

import "time"

// meter counts what happened in the last second. The zero meter has counted nothing.
type meter struct {
	began time.Time // of the first that was counted
	at    int64     // the tenth of a second that counts now
	tens  [10]int   // by the tenth, modulo 10
}

func (m *meter) add(now time.Time) {
	if m.began.IsZero() {
		m.began = now
	}
	m.forget(now)
	m.tens[m.at%10]++
}

// perSecond is how many there were, had a whole second passed since the first.
func (m *meter) perSecond(now time.Time) float64 {
	m.forget(now)
	sum := 0
	for _, n := range m.tens {
		sum += n
	}
	return float64(sum) / min(1, max(0.1, now.Sub(m.began).Seconds()))
}

// forget clears what is older than a second.
func (m *meter) forget(now time.Time) {
	tenth := now.UnixMilli() / 100
	for m.at = max(m.at, tenth-10); m.at < tenth; {
		m.at++
		m.tens[m.at%10] = 0
	}
}
