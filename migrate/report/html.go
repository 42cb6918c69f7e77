package report

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/internal/shown"
)

// Details are what a page tells beside the statement. Nobody signs them.
type Details struct {
	File     string // of the report
	Timeline Timeline
	Failed   []Failure
}

// Failure is a secret that is not at the target as it was planned.
type Failure struct{ Name, Step, Why string }

// maxFailures is how many a page lists.
const maxFailures = 2000

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"line": shown.Line,
		"time": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	}).Parse(pageText))
)

// pagePolicy lets the page load nothing, run nothing and send nothing. Its one
// style is named by its digest.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// pageView is what the page is made of.
type pageView struct {
	*Migration
	Subjects []Subject
	Style    template.CSS
	Policy   string
	File     string
	SHA256   string // of the report's file
	KeyIDs   []string
	Classes  []count
	Graded   []graded
	Chart    *chart
	Failed   []Failure
	More     int // failures that are not listed
}

type count struct {
	Word string
	N    int
}

type graded struct {
	Grade, Means string
	Losses       []Loss
}

var gradeMeans = map[string]string{
	"data":    "a version or a value is gone, or native tools can read a disabled one",
	"meaning": "a state, an expiry, a stage or a tag is not held",
	"trace":   "only native tools see a difference",
}

// HTML writes a page of one file that needs no network: what moved, what was lost,
// when, and what failed.
func (r *Report) HTML(w io.Writer, d *Details) error {
	file, err := r.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	v := pageView{
		Migration: &r.Statement.Predicate, Subjects: r.Statement.Subject, Policy: pagePolicy(),
		Style: template.CSS(pageStyle), //nolint:gosec // a file of this package
		File:  filepath.Base(d.File), SHA256: hex.EncodeToString(sum[:]), KeyIDs: r.KeyIDs(), Chart: newChart(&d.Timeline),
		Failed: d.Failed, More: max(0, len(d.Failed)-maxFailures),
	}
	v.Failed = v.Failed[:len(v.Failed)-v.More]
	for _, class := range slices.Sorted(maps.Keys(v.Plan.Classes)) {
		v.Classes = append(v.Classes, count{class, v.Plan.Classes[class]})
	}
	for _, g := range grades {
		of := graded{Grade: g, Means: gradeMeans[g]}
		for _, l := range v.Losses {
			if l.Grade == g {
				of.Losses = append(of.Losses, l)
			}
		}
		v.Graded = append(v.Graded, of)
	}
	var b strings.Builder
	if err := page.Execute(&b, &v); err != nil {
		return err
	}
	_, err = io.WriteString(w, b.String())
	return err
}
