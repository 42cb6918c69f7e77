package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/migrate/report"
)

// chromium is the browser, with a proxy that lets nothing through and counts who asks.
type chromium struct {
	path, dir string
	proxy     string
	asked     atomic.Int64
}

// newChromium skips the test where there is no browser, but in CI.
func newChromium(t *testing.T) *chromium {
	t.Helper()
	c := &chromium{dir: t.TempDir()}
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			c.path = found
			break
		}
	}
	if c.path == "" && os.Getenv("CI") == "true" {
		t.Fatal("no Chromium is installed")
	}
	if c.path == "" {
		t.Skip("no Chromium is installed")
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Logf("%s %s", r.Method, r.URL)
		c.asked.Add(1)
		http.Error(w, "no", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	c.proxy = proxy.URL
	return c
}

// show opens a file and returns what the browser wrote, and what it complained of.
func (c *chromium) show(t *testing.T, file string, flags ...string) (out, complaints string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the machine may be busy
	defer cancel()
	flags = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + filepath.Join(c.dir, "profile"), "--proxy-server=" + c.proxy, "--window-size=1100,2600",
	}, flags...)
	cmd := exec.CommandContext(ctx, c.path, append(flags, "file://"+filepath.Join(c.dir, file))...)
	var said strings.Builder
	cmd.Stderr = &said
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, "CONSOLE") || strings.Contains(line, "Content Security Policy") {
			complaints += line
		}
	}
	return string(b), complaints
}

func (c *chromium) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The page in a frame of another one, whose script says what is to be seen of it.
// The page's own policy lets none run.
const looker = `<html><body><iframe id=f src="page.html" width=1100 height=2600></iframe><script>
f.onload = () => {
  const d = f.contentDocument, seen = {Text: d.body.innerText, Bars: []}
  for (const r of d.querySelectorAll('svg[role=img] rect')) {
    const box = r.getBoundingClientRect()
    if (box.width > 0 && box.height > 0) seen.Bars.push(r.className.baseVal)
  }
  document.body.textContent = JSON.stringify(seen)
}
</script></body></html>`

// TestPageInChromium: the browser shows the page with its style, which the policy
// has to let in, has nothing to complain of, and asks nobody for anything. What
// moved, what was lost and when are to be seen.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	c := newChromium(t)
	m := facts()
	m.Run = hostile
	_, raw := pageOf(t, m, &report.Details{
		Timeline: report.NewTimeline([]report.Event{{At: day}, {At: day.Add(time.Second), What: report.EventFailed}, {At: day.Add(2 * time.Second), What: report.EventThrottled}}),
		Failed:   []report.Failure{{Name: hostile, Step: hostile, Why: hostile}},
	})
	c.write(t, "page.html", raw)
	picture := filepath.Join(c.dir, "page.png")
	if _, complaints := c.show(t, "page.html", "--screenshot="+picture); complaints != "" {
		t.Errorf("the browser says %s", complaints)
	}
	c.write(t, "looker.html", looker)
	out, complaints := c.show(t, "looker.html", "--allow-file-access-from-files", "--dump-dom")
	if n := c.asked.Load(); n > 0 || complaints != "" {
		t.Errorf("the page asked for %d things; the browser says %s", n, complaints)
	}
	seesPage(t, out, &m)
	seesColors(t, picture)

	// This would have been noticed.
	c.write(t, "other.html", `<html><body style="color: red"><img src="http://vaultferry.example/x.png"><script>console.log("loud")</script></body></html>`)
	if _, complaints := c.show(t, "other.html", "--dump-dom"); c.asked.Load() == 0 || !strings.Contains(complaints, "loud") {
		t.Errorf("a page that asks was not noticed: %d, %s", c.asked.Load(), complaints)
	}
}

// seesPage looks at what the browser rendered, where a style could hide it.
func seesPage(t *testing.T, dom string, m *report.Migration) {
	t.Helper()
	var seen struct {
		Text string
		Bars []string
	}
	_, text, _ := strings.Cut(dom, "<body>")
	text, _, _ = strings.Cut(text, "</body>")
	if err := json.Unmarshal([]byte(html.UnescapeString(text)), &seen); err != nil {
		t.Fatalf("%v: %s", err, dom)
	}
	want := []string{
		"What moved", fmt.Sprintf("done\t%d\t%d versions written", m.Moved.Done, m.Moved.Versions), fmt.Sprintf("the same\t%d", m.Compared.Same),
		"What was lost", "When", "Products asked 1 time to be left alone", "What failed", "What proves it",
	}
	for _, l := range m.Losses {
		want = append(want, fmt.Sprintf("%s\t%d\t%d", l.What, l.Foretold, l.Found))
	}
	for _, text := range want {
		if !strings.Contains(seen.Text, text) {
			t.Errorf("%q is not to be seen in %q", text, seen.Text)
		}
	}
	slices.Sort(seen.Bars)
	if !slices.Equal(seen.Bars, []string{"done", "failed", "throttled"}) {
		t.Errorf("of the timeline are to be seen %q", seen.Bars)
	}
}

// seesColors looks at the picture of the page.
func seesColors(t *testing.T, picture string) {
	t.Helper()
	b, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[color.RGBA]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	for what, c := range map[string]color.RGBA{
		"done": {0x25, 0x63, 0xa8, 255}, "failed": {0xb4, 0x23, 0x18, 255}, "throttled": {0xc7, 0x77, 0, 255}, "the verdict": {0xea, 0xf6, 0xec, 255},
	} {
		if seen[c] < 1000 {
			t.Errorf("%s: %d points have its color", what, seen[c])
		}
	}
}
