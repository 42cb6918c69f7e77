package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestOddSettings: what a database sets for its sessions changes no answer.
func TestOddSettings(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	for _, setting := range []string{
		"default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on", "search_path = ''", "bytea_output = 'escape'",
		"standard_conforming_strings = off", "backslash_quote = off", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'", "TimeZone = 'Asia/Kathmandu'",
		"extra_float_digits = -15", "row_security = off", "plan_cache_mode = 'force_generic_plan'", "enable_indexscan = off", "client_encoding = 'LATIN1'",
		"array_nulls = off", "transform_null_equals = on", "quote_all_identifiers = on", "log_statement = 'all'", "log_parameter_max_length = -1",
		"log_parameter_max_length_on_error = -1", "log_min_messages = 'log'", "log_error_verbosity = 'verbose'",
	} {
		server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET "+setting)
	}
	p := newPlace(t, database).made(t)
	s := p.open(t)
	const name, value = secret.Name("größe"), "canary of the server's log"
	for range 3 {
		if _, err := s.Put(t.Context(), name, draft(value)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := p.open(t).Get(t.Context(), name, secret.Current)
	if err != nil || string(got.Versions[0].Value.Reveal()) != value {
		t.Errorf("the value is another, or %v", err)
	}
	sec, err := s.Export(t.Context(), name)
	if err != nil || len(sec.Versions) != 3 {
		t.Fatalf("%d versions, %v", len(sec.Versions), err)
	}
	sec.Name = "copy"
	_, importErr := s.Import(t.Context(), sec, "")
	page, listErr := s.List(t.Context(), secret.Query{})
	if err := errors.Join(importErr, listErr, s.Check(t.Context())); err != nil || len(page.Secrets) != 2 {
		t.Errorf("%d secrets, %v", len(page.Secrets), err)
	}
	server.Exec(t, database, "SELECT 'the end of the log'")
	waitFor(t, func() bool { return strings.Contains(server.Said(), "the end of the log") })
	said := server.Said()
	for _, form := range []string{value, `63616e617279206f66`, "Y2FuYXJ5IG9m"} { // plain, in hex, in base64
		if strings.Contains(said, form) {
			t.Error("the log of the server holds the value")
		}
	}
	if !strings.Contains(said, "parameters: ") {
		t.Error("the log of the server holds no parameters, so it proves nothing")
	}
}
