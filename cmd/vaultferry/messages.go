package main

import (
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// message says an error as people need it, on one line.
func message(err error) string { return oneLine(secret.Explain(err)) }

// oneLine joins the lines of s as sentences.
func oneLine(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		switch said := b.String(); {
		case said == "":
		case strings.HasSuffix(said, "."), strings.HasSuffix(said, ":"):
			b.WriteByte(' ')
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// noConfig tells who has no configuration yet how to get one.
func (a *app) noConfig() error {
	return usagef("there is no configuration %s; vaultferry init writes one, and --config FILE or VAULTFERRY_CONFIG names one elsewhere", a.configPath())
}
