package report_test

import (
	"bytes"
	"context"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/migrate/report"
)

// TestPageInChromium: the browser shows the page with its style, which the policy
// has to let in, and has nothing to complain of. It runs where there is a Chromium.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			browser = found
			break
		}
	}
	if browser == "" {
		t.Skip("no Chromium is installed")
	}
	m := facts()
	m.Run = hostile
	_, raw := pageOf(t, m, &report.Details{
		Timeline: report.NewTimeline([]report.Event{{At: day}, {At: day.Add(time.Second), What: report.EventFailed}, {At: day.Add(2 * time.Second), What: report.EventThrottled}}),
		Failed:   []report.Failure{{Name: hostile, Step: hostile, Why: hostile}},
	})
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.png")
	if err := os.WriteFile(page, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1100,2600", "--screenshot="+picture, "file://"+page)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "CONSOLE") || strings.Contains(line, "Content Security Policy") {
			t.Errorf("the browser says %s", line)
		}
	}
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
