package postgres

import "strings"

// statements are the texts that the store sends, for its schema.
type statements struct {
	newest, byOrdinal, byUID string // one secret with one version
	all                      string // one with all
	list, listAll, picked    string
	partByUID, partByOrdinal string

	create, add, patch, move         string // a write of one statement: see change
	lock                             string
	begin                            string // a secret that an import makes
	purge                            string
	operation, operationOf, repeated string
	answered, forgotten              string

	readState, makeState, writeState string
}

// one is a secret with one version, and with its value where that is asked for.
const one = `SELECT s.head, s.deleted, v.ordinal, v.uid, v.attributes, CASE WHEN $2::boolean THEN v.value END
FROM $schema.secret s LEFT JOIN `

// listed is a page of secrets, each with its newest version: that is the current
// one of nearly all.
const listed = `SELECT s.name, s.head, s.deleted, v.ordinal, v.uid, v.attributes
FROM (SELECT name, head, deleted FROM $schema.secret WHERE $where name > $1 ORDER BY name LIMIT $2) s
LEFT JOIN LATERAL (SELECT ordinal, uid, attributes FROM $schema.version WHERE name = s.name ORDER BY ordinal DESC LIMIT 1) v ON true
ORDER BY s.name`

// A write of one statement is a chain, each part of which depends on the one
// before. Its head takes effect only where the state that the write began from,
// which its salt names, still stands. An operation that is written down already,
// and neither answered nor old, ends all of it: its uid must not be null.
//
// $1 name, $2 salt, $3 head, $4 deleted, $5 operation, $6 its uid, $7 the uid of
// the one that it may take the place of, $8 ordinal, $9 attributes, $10 value.
const (
	created = `WITH h AS (INSERT INTO $schema.secret (name, deleted, head) SELECT $1::text, $4::boolean, $3::bytea WHERE $2::bytea IS NULL
	ON CONFLICT (name) DO NOTHING RETURNING 1), `
	changed = `WITH h AS (UPDATE $schema.secret SET head = $3, deleted = $4 WHERE name = $1 AND substr(head, 1, 32) = $2 RETURNING 1), `
	added   = `v AS (INSERT INTO $schema.version (name, ordinal, uid, attributes, value)
	SELECT $1::text, $8::bigint, $6::bytea, $9::bytea, $10::bytea FROM h), `
	purged = `WITH h AS (DELETE FROM $schema.secret WHERE name = $1 AND substr(head, 1, 32) = $2 AND deleted = $4 AND $3::bytea IS NULL RETURNING 1),
	v AS (DELETE FROM $schema.version WHERE name = $1 AND EXISTS (SELECT 1 FROM h)), `
	patched = `v AS (UPDATE $schema.version SET attributes = $9 WHERE name = $1 AND ordinal = $8 AND EXISTS (SELECT 1 FROM h)), `
	done    = `o AS (INSERT INTO $schema.operation AS o (id, uid) SELECT $5::bytea, $6::bytea FROM h ` + retaken + `)
SELECT (SELECT count(*) FROM h), s.head, s.deleted, clock_timestamp()
FROM (SELECT 1) one LEFT JOIN $schema.secret s ON s.name = $1 AND NOT EXISTS (SELECT 1 FROM h)`
	retaken = `ON CONFLICT (id) DO UPDATE SET at = excluded.at,
	uid = CASE WHEN o.uid = $7 OR o.at < excluded.at - interval '60 seconds' THEN excluded.uid END`
)

// The same for a record of the gateway: $1 key, $2 salt, $3 record.
const (
	stateMade = `WITH h AS (INSERT INTO $schema.state (key, record) SELECT $1::text, $3::bytea WHERE $2::bytea IS NULL AND NOT $4::boolean
	ON CONFLICT (key) DO NOTHING RETURNING 1), `
	stateChanged = `WITH h AS (UPDATE $schema.state SET record = $3 WHERE key = $1 AND substr(record, 1, 32) = $2 AND NOT $4::boolean RETURNING 1), `
	stateDone    = `o AS (INSERT INTO $schema.operation AS o (id, uid) SELECT $5::bytea, $6::bytea FROM h ` + retaken + `)
SELECT (SELECT count(*) FROM h), NULL::bytea, NULL::boolean, clock_timestamp()`
)

func newStatements(schema string) statements {
	ours := func(sql string) string { return in(schema, sql) }
	return statements{
		newest: ours(one + `LATERAL (SELECT ordinal, uid, attributes, value FROM $schema.version WHERE name = s.name ORDER BY ordinal DESC LIMIT 1) v ON true
WHERE s.name = $1`),
		byOrdinal: ours(one + `$schema.version v ON v.name = s.name AND v.ordinal = $3 WHERE s.name = $1`),
		byUID:     ours(one + `$schema.version v ON v.name = s.name AND v.uid = $3 WHERE s.name = $1`),
		all: ours(`SELECT 0::bigint, NULL::bytea, head, NULL::bytea FROM $schema.secret WHERE name = $1 AND deleted = $2
UNION ALL
SELECT ordinal, uid, attributes, CASE WHEN $3::boolean THEN value END FROM $schema.version
WHERE name = $1 AND EXISTS (SELECT 1 FROM $schema.secret WHERE name = $1 AND deleted = $2)
ORDER BY 1`),
		list:    ours(strings.Replace(listed, "$where", "deleted = $3 AND", 1)),
		listAll: ours(strings.Replace(listed, "$where", "", 1)),
		picked: ours(`SELECT v.name, v.ordinal, v.uid, v.attributes
FROM unnest($1::text[], $2::bigint[]) AS w (name, ordinal) JOIN $schema.version v ON v.name = w.name COLLATE "C" AND v.ordinal = w.ordinal`),
		partByUID:     ours(`SELECT ordinal, uid, attributes FROM $schema.version WHERE name = $1 AND uid > $2 ORDER BY uid LIMIT $3`),
		partByOrdinal: ours(`SELECT ordinal, uid, attributes FROM $schema.version WHERE name = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3`),

		create: ours(created + added + done),
		add:    ours(changed + added + done),
		patch:  ours(changed + patched + done),
		move:   ours(changed + done),
		lock:   ours(`SELECT 1 FROM $schema.secret WHERE name = $1 FOR UPDATE`),
		begin: ours(`WITH h AS (INSERT INTO $schema.secret (name, deleted, head) VALUES ($1, false, $2) ON CONFLICT (name) DO NOTHING RETURNING 1)
SELECT (SELECT count(*) FROM h), s.deleted FROM (SELECT 1) one LEFT JOIN $schema.secret s ON s.name = $1`),
		purge:       ours(purged + done),
		operation:   ours(`INSERT INTO $schema.operation AS o (id, uid) VALUES ($1, $2) ` + strings.Replace(retaken, "$7", "$3", 1)),
		operationOf: ours(`SELECT uid FROM $schema.operation WHERE id = $1 AND at > clock_timestamp() - interval '60 seconds'`),
		repeated: ours(`SELECT o.id, o.uid, s.deleted FROM $schema.operation o LEFT JOIN $schema.secret s ON s.name = $2
WHERE o.id = ANY($1) AND o.at > clock_timestamp() - interval '60 seconds'`),
		answered:  ours(`DELETE FROM $schema.operation o USING unnest($1::bytea[], $2::bytea[]) AS a (id, uid) WHERE o.id = a.id AND o.uid = a.uid`),
		forgotten: ours(`DELETE FROM $schema.operation WHERE at < clock_timestamp() - interval '5 minutes'`),

		readState:  ours(`SELECT record FROM $schema.state WHERE key = $1`),
		makeState:  ours(stateMade + stateDone),
		writeState: ours(stateChanged + stateDone),
	}
}
