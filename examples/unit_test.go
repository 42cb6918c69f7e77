package examples

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// services are the units that packages install.
func services(t *testing.T) []string {
	t.Helper()
	here, err := filepath.Glob("*.service")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := filepath.Glob("backup/*.service")
	if err != nil || len(here) < 2 || len(jobs) < 2 {
		t.Fatal(here, jobs, err)
	}
	return append(here, jobs...)
}

// TestUnit: the services that the manual installs are confined, by systemd's own
// measure (10.0 is not at all).
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze := need(t, "systemd-analyze")
	for _, unit := range services(t) {
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
	}
}

// TestUnitsAreValid: systemd reads every unit without a complaint.
func TestUnitsAreValid(t *testing.T) {
	t.Parallel()
	analyze := need(t, "systemd-analyze")
	units, err := filepath.Glob("vaultferry*.*")
	if err != nil || len(units) < 4 {
		t.Fatal(units, err)
	}
	units = slices.DeleteFunc(units, func(unit string) bool { return unit == defaults })
	dir := t.TempDir()
	for _, unit := range units {
		// The program is not installed here.
		installed := strings.ReplaceAll(read(t, unit), "/usr/local/bin/vaultferry", "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, unit), []byte(installed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, unit := range units {
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, unit)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
	}
}

const defaults = "vaultferry.default"

// settings are those of the jobs, with what the file offers behind a # .
func settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, defaults), -1) {
		if all[m[1]] == "" {
			all[m[1]] = m[2]
		}
	}
	return all
}

// TestSettings: the file for the jobs sets what the units use, and nothing else.
func TestSettings(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, unit := range services(t) {
		text := read(t, unit)
		for _, m := range regexp.MustCompile(`\$\{?([A-Z_]+)`).FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
			if !strings.Contains(text, "\nEnvironmentFile=/etc/default/vaultferry\n") {
				t.Errorf("%s uses %s and reads no settings", unit, m[1])
			}
		}
	}
	set := settings(t)
	if have, want := slices.Sorted(maps.Keys(set)), slices.Sorted(maps.Keys(used)); !slices.Equal(have, want) {
		t.Errorf("%s sets %q, and the units use %q", defaults, have, want)
	}
}

// TestCertUnit: what the unit starts has a running gateway take a new certificate in its
// last days, and nothing before them.
func TestCertUnit(t *testing.T) {
	t.Parallel()
	s := newStranger(t)
	s.sh("vaultferry init gw && cd gw")
	s.serve("vaultferry serve")
	before := read(t, filepath.Join(s.dir, "cert.pem"))
	starts := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/(vaultferry .*)$`).FindAllStringSubmatch(read(t, "vaultferry-cert.service"), -1)
	run := func(within string) string {
		said := ""
		for _, start := range starts {
			s.sh(strings.Replace(start[1], "--within 720h", "--within "+within, 1)) // no quotes and no variables: systemd's own words are the shell's
			said += s.answered.String()
		}
		return said
	}
	if said := run("720h"); len(starts) != 2 || read(t, filepath.Join(s.dir, "cert.pem")) != before || !strings.Contains(said, "nothing ") {
		t.Errorf("%d commands: %s", len(starts), said)
	}
	if said := run("10000h"); read(t, filepath.Join(s.dir, "cert.pem")) == before || !strings.Contains(said, "changed  certificates") {
		t.Error(said)
	}
	s.shows("cert.pem")
}
