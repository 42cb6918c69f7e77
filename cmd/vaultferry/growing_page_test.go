package main

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/inventory"
)

// TestGrow follows docs/postgres.md from bolt to PostgreSQL and back: each line is run
// as it stands, while a gateway serves and its application writes on.
func TestGrow(t *testing.T) {
	page, err := os.ReadFile("../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "## Growing from bolt, and back\n")
	blocks := pages.Blocks(section)
	if !ok || len(blocks) != 3 {
		t.Fatalf("the page has %d blocks about growing", len(blocks))
	}
	server := postgrestest.Start(t, postgrestest.Options{})
	shared := fmt.Sprintf("  - { name: shared, backend: postgres, postgres: { dsn: %q } }\n", server.DSN("postgres"))
	main := "  - { name: main, backend: bolt, bolt: { path: main.db } }\n"
	config := strings.Replace(strings.SplitAfter(cutOverConfig, "stores:\n")[0]+main+"dialects:"+strings.SplitAfter(cutOverConfig, "dialects:")[1],
		"red.vault.bank.example }", "red.vault.bank.example, store: main }", 1)
	config = strings.Replace(config, "[red-app] }", `[red-app, "local:*"], allow: ["*"], stores: ["*"], names: ["*"] }`, 1)
	c := &cutOver{killWorld: &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}, text: config, token: hex.EncodeToString(inventory.NewKey().Reveal())}
	c.file(t, "token", c.token)
	c.file(t, "vaultferry.yaml", c.text)
	c.must(t, exitDone, "keys", "new", "--output-file", "keyring.json")
	c.at = c.serve(t, "vaultferry.yaml")
	c.put(t, "db", "one", http.StatusOK)
	c.text = strings.Replace(c.text, main, main+shared, 1) // both stand in one configuration
	c.file(t, "vaultferry.yaml", c.text)
	run := func(block pages.Block, busy bool) {
		for line := range strings.Lines(block.Text) {
			if busy && !strings.Contains(line, " run ") { // it serves on; what a plan holds is left alone
				c.put(t, "busy", line, http.StatusOK)
			}
			c.must(t, exitDone, strings.Fields(line)[1:]...)
		}
	}
	change := func(from, to string) {
		c.text = strings.Replace(c.text, from, to, 1)
		c.file(t, "vaultferry.yaml", c.text)
		c.must(t, exitDone, "reload")
	}
	run(blocks[0], true)
	c.put(t, "db", "two", http.StatusOK)
	c.put(t, "late", "new", http.StatusOK)
	change("name: main,", "name: main, read_only: true,")
	c.put(t, "db", "no", http.StatusForbidden)
	run(blocks[1], false)
	change("store: main }", "store: shared }")
	c.reads(t, "db", "two")
	c.reads(t, "late", "new")
	c.put(t, "db", "three", http.StatusOK)
	change("name: main, read_only: true,", "name: main,")
	change("name: shared,", "name: shared, read_only: true,")
	run(blocks[2], false)
	change("store: shared }", "store: main }")
	c.reads(t, "db", "three")
	c.put(t, "db", "four", http.StatusOK)
	c.reads(t, "db", "four")
}
