package postgres

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// closed are the keys that pgx would else take from the environment (PGOPTIONS,
// PGSSLROOTCERT) or from files in the home folder: each as if nobody had set it.
var closed = [][2]string{
	{"sslrootcert", ""},
	{"sslcert", ""},
	{"sslkey", ""},
	{"sslpassword", ""},
	{"sslcertmode", "allow"},
	{"sslsni", "1"},
	{"sslnegotiation", ""},
	{"passfile", ""},
	{"connect_timeout", "5"},
	{"min_protocol_version", ""},
	{"max_protocol_version", ""},
	{"channel_binding", ""},
	{"require_auth", ""},
}

// says reports whether the DSN has the key.
func (c *Config) says(key string) bool {
	return regexp.MustCompile(`(^|[\s?&])` + key + `\s*=`).MatchString(c.DSN)
}

// inURL parts a DSN that is a URL: who, where, and which database.
var inURL = regexp.MustCompile(`^postgres(?:ql)?://(?:([^@/?]*)@)?([^/?]*)(?:/([^?]*))?`)

// portInURL is the end of a place that has a port.
var portInURL = regexp.MustCompile(`:[0-9]+$`)

// refuseEnvironment refuses variables of libpq that would lead the gateway to a
// place that its configuration does not name.
func (c *Config) refuseEnvironment() error {
	open := map[string]bool{"PGSERVICE": !c.says("service"), "PGSERVICEFILE": c.says("service") && !c.says("servicefile")}
	if c.DSN != "" && !c.says("service") {
		url := inURL.FindStringSubmatch(c.DSN)
		if url == nil {
			url = make([]string, 4)
		}
		open["PGUSER"] = url[1] == "" && !c.says("user")
		open["PGHOST"] = url[2] == "" && !c.says("host")
		open["PGPORT"] = !portInURL.MatchString(url[2]) && !c.says("port")
		open["PGDATABASE"] = url[3] == "" && !c.says("dbname") && !c.says("database")
	}
	for _, name := range []string{"PGSERVICE", "PGSERVICEFILE", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER"} {
		if open[name] && os.Getenv(name) != "" {
			what := strings.ToLower(strings.TrimPrefix(name, "PG"))
			return fmt.Errorf("the environment variable %s would decide the %s, which the configuration does not name: write it there, or unset the variable", name, what)
		}
	}
	return nil
}

// ownParams drops what the session would be set to by the environment alone, such as
// PGOPTIONS="-c synchronous_commit=off".
func (c *Config) ownParams(cc *pgx.ConnConfig) {
	if !c.says("service") {
		maps.DeleteFunc(cc.RuntimeParams, func(key, _ string) bool { return !c.says(regexp.QuoteMeta(key)) })
	}
}
