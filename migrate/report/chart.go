package report

import (
	"fmt"
	"time"
)

// The picture's sizes, in its own units.
const (
	chartWidth  = 960
	chartHeight = 200 // of the bars
	stripHeight = 40  // of those for throttling, below
)

// chart is a timeline as rectangles.
type chart struct {
	Width, Height, Axis int
	Rects               []rect
	Highest             string // rate
	Throttled           int
	Begun, Ended        time.Time
	Span                time.Duration
	Rows                []row
}

type rect struct {
	Class               string
	X, Y, Width, Height string
}

// row is a bar for those who read and do not look.
type row struct {
	At   time.Time
	Rate string
	Bar
}

// newChart is nil of an empty timeline.
func newChart(t *Timeline) *chart {
	if len(t.Bars) == 0 {
		return nil
	}
	c := &chart{Width: chartWidth, Height: chartHeight + stripHeight, Axis: chartHeight, Begun: t.Begun, Ended: t.Ended(), Span: t.Span}
	most, mostThrottled := 1, 1
	for _, b := range t.Bars {
		most, mostThrottled = max(most, b.Done+b.Failed), max(mostThrottled, b.Throttled)
		c.Throttled += b.Throttled
	}
	c.Highest = fmt.Sprintf("%.3g", t.Rate(most))
	step := float64(chartWidth) / float64(len(t.Bars))
	for i, b := range t.Bars {
		x := float64(i) * step
		done := chartHeight * float64(b.Done) / float64(most)
		failed := chartHeight * float64(b.Failed) / float64(most)
		c.add("done", x, chartHeight-done, step, done)
		c.add("failed", x, chartHeight-done-failed, step, failed)
		c.add("throttled", x, chartHeight, step, stripHeight*float64(b.Throttled)/float64(mostThrottled))
		if b != (Bar{}) {
			c.Rows = append(c.Rows, row{t.Begun.Add(time.Duration(i) * t.Span), fmt.Sprintf("%.3g", t.Rate(b.Done+b.Failed)), b})
		}
	}
	return c
}

func (c *chart) add(class string, x, y, width, height float64) {
	if height > 0 {
		c.Rects = append(c.Rects, rect{class, f(x), f(y), f(width), f(height)})
	}
}

func f(x float64) string { return fmt.Sprintf("%.2f", x) }
