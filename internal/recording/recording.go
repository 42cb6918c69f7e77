// Package recording draws what a command printed as a terminal in SVG. The picture
// plays in any browser, by CSS alone, and stays at its end; where nothing is played it
// shows the end. It names no font that has to be fetched, and nothing outside of itself.
package recording

import (
	"encoding/hex"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Columns is how many characters a line may have; what is behind them is not seen.
const Columns = 104

const (
	rows   = 24 // that are seen at once
	cell   = 8  // the width of a character
	line   = 18 // the height of a row
	edge   = 16
	size   = 13 // of the font
	step   = 0.3
	breath = 0.9 // before another part
)

var (
	id     = regexp.MustCompile(`[0-9a-f]{32}`)
	sealed = regexp.MustCompile(`[0-9]+ bytes, sealed`)
)

// Steady makes two runs alike: ids become ones that follow from their order, and the
// size of what is sealed is rounded to hundreds.
func Steady(text string) string {
	var met []string
	text = id.ReplaceAllStringFunc(text, func(s string) string {
		if !slices.Contains(met, s) {
			met = append(met, s)
		}
		return numbered(slices.Index(met, s))
	})
	return sealed.ReplaceAllStringFunc(text, func(s string) string {
		digits, rest, _ := strings.Cut(s, " ")
		n, _ := strconv.Atoi(digits) // digits by the expression
		return fmt.Sprint((n+50)/100*100, " ", rest)
	})
}

// numbered looks like an id, and is the same each time.
func numbered(n int) string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte((n+1)*(97+i*58) + i*i*31)
	}
	return hex.EncodeToString(b)
}

// span is a run of characters of one class.
type span struct {
	at    int
	class string
	text  string
}

var stepLine = regexp.MustCompile(`^(ok|FAIL) +(\S+) +(\S+) +(.*)$`)

// spans colours a line as a terminal might.
func spans(s string) []span {
	m := stepLine.FindStringSubmatchIndex(s)
	if m == nil {
		class := "head"
		if strings.HasPrefix(s, "$ ") {
			class = "typed"
		}
		return []span{{0, class, s}}
	}
	classes := []string{strings.ToLower(s[m[2]:m[3]]), s[m[4]:m[5]], "store", "did"}
	if said := s[m[8]:m[9]]; strings.HasPrefix(said, "foretold") || strings.Contains(said, "refused") {
		classes[3] = "warn"
	}
	var all []span
	for i, class := range classes {
		from, to := m[2*i+2], m[2*i+3]
		all = append(all, span{from, class, s[from:to]})
	}
	return all
}

// SVG is the picture of a command and what it printed. An empty line begins a part.
//
// Two things move: what hides the lines that are still to come, and all of it once there
// are more lines than rows. Both depend on the time alone, so a browser that leaves out
// frames, because nobody looked, shows what it would have shown.
func SVG(command, output, title string) string {
	lines := append([]string{"$ " + command}, strings.Split(strings.TrimRight(output, "\n"), "\n")...)
	var text strings.Builder
	for i, s := range lines {
		if s == "" {
			continue
		}
		fmt.Fprintf(&text, "<text y=\"%d\">", (i+1)*line-5)
		for _, sp := range spans(s) {
			n := len([]rune(sp.text)) * cell
			fmt.Fprintf(&text, `<tspan x="%d" class="%s" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</tspan>`, sp.at*cell, sp.class, n, html.EscapeString(sp.text))
		}
		text.WriteString("</text>\n")
	}
	at := times(lines)
	end := at[len(at)-1]
	var hide, roll strings.Builder
	for i, t := range at {
		fmt.Fprintf(&hide, "%.2f%%{transform:translateY(%dpx)}", 100*t/end, (i+1)*line)
		fmt.Fprintf(&roll, "%.2f%%{transform:translateY(%dpx)}", 100*t/end, -max(0, i+1-rows)*line)
	}
	width, height, all := Columns*cell+2*edge, rows*line+2*edge, len(lines)*line
	return strings.NewReplacer("WIDTH", fmt.Sprint(width), "HEIGHT", fmt.Sprint(height), "INNER", fmt.Sprint(width-1), "TALL", fmt.Sprint(height-1),
		"EDGE", fmt.Sprint(edge), "ROW", fmt.Sprint(Columns*cell), "ROOM", fmt.Sprint(rows*line), "ALL", fmt.Sprint(all),
		"ABOVE", fmt.Sprint(max(0, all-rows*line)), "SIZE", fmt.Sprint(size), "SECONDS", fmt.Sprintf("%.1f", end),
		"TITLE", html.EscapeString(title), "HIDING", hide.String(), "ROLLING", roll.String(), "TEXT", text.String()).Replace(frame)
}

// times say when each line appears, in seconds.
func times(lines []string) []float64 {
	at := make([]float64, len(lines))
	for i := 1; i < len(lines); i++ {
		at[i] = at[i-1] + step
		if i > 2 && lines[i-1] == "" {
			at[i] += breath
		}
	}
	return at
}

const frame = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 WIDTH HEIGHT" width="WIDTH" height="HEIGHT" role="img" aria-labelledby="t">
<title id="t">TITLE</title>
<style>
text{font:SIZEpx ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre}
.roll{animation:roll SECONDSs step-end both}.hide{animation:hide SECONDSs step-end both}
@keyframes roll{ROLLING}
@keyframes hide{HIDING}
@media (prefers-reduced-motion:reduce){.roll,.hide{animation:none}}
.did{fill:#e6edf3}.head,.typed{fill:#e6edf3;font-weight:bold}.store{fill:#8b949e}.ok{fill:#3fb950}.fail{fill:#f85149}
.azure{fill:#79c0ff}.huawei{fill:#ff9492}.cli{fill:#d2a8ff}.warn{fill:#e3b341}
</style>
<rect x=".5" y=".5" width="INNER" height="TALL" rx="8" fill="#0d1117" stroke="#484f58"/>
<svg x="EDGE" y="EDGE" width="ROW" height="ROOM">
<g class="roll" transform="translate(0,-ABOVE)">
TEXT<rect class="hide" transform="translate(0,ALL)" width="ROW" height="ALL" fill="#0d1117"/>
</g>
</svg>
</svg>
`
