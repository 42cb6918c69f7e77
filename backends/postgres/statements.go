package postgres

import "strings"

// statements are the texts that the store sends, for its schema.
type statements struct {
	newest, byOrdinal, byUID, all, whole, orphans string // secrets: see row
	list, listTrash, listAll, picked              string
	partByUID, partByOrdinal                      string
	create, add, patch, move, begin, purge, lock  string // writes: see change
	operationOf, repeated, answered, forgotten    string
	state, states, makeState, writeState, size    string
}

// What reads secrets yields rows of these columns, by name: see row. The head need
// not be on more than the first row of its secret.
const (
	columns = `SELECT s.name, s.deleted, s.head, v.ordinal, v.uid, v.attributes, `
	// one: $1 name, $2 whether with the value, $3 what picks the version.
	one = columns + `CASE WHEN $2::boolean THEN v.value END
FROM $schema.secret s LEFT JOIN LATERAL (SELECT * FROM $schema.version WHERE name = s.name $pick) v ON true WHERE s.name = $1`
	theNewest = `ORDER BY ordinal DESC LIMIT 1` // the current one of nearly all
	// listed: $1 the name before, as far as it is text, $2 the whole of it. What is
	// picked, and how many, is no parameter: the database would not know which index to
	// take, and think of a tenth of the table.
	listed = columns + `NULL::bytea
FROM (SELECT * FROM $schema.secret WHERE $where name >= $1 AND convert_to(name, 'UTF8') > $2 ORDER BY name LIMIT $size) s
LEFT JOIN LATERAL (SELECT * FROM $schema.version WHERE name = s.name ` + theNewest + `) v ON true ORDER BY s.name`
	// part: $1 name, $2 whether deleted, $3 place, $4 limit.
	part = columns + `NULL::bytea
FROM $schema.secret s LEFT JOIN LATERAL (SELECT * FROM $schema.version WHERE name = s.name AND $by > $3 ORDER BY $by LIMIT $4) v ON true
WHERE s.name = $1 AND s.deleted = $2 ORDER BY v.$by`
)

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
	// purged needs no lock: whatever came meanwhile would have changed the head.
	purged = `WITH h AS (DELETE FROM $schema.secret WHERE name = $1 AND substr(head, 1, 32) = $2 AND $3::bytea IS NULL AND deleted = $4 RETURNING 1),
v AS (DELETE FROM $schema.version WHERE name = $1 AND EXISTS (SELECT 1 FROM h)), `
	added = `v AS (INSERT INTO $schema.version (name, ordinal, uid, attributes, value)
	SELECT $1::text, $8::bigint, $6::bytea, $9::bytea, $10::bytea FROM h), `
	patched = `v AS (UPDATE $schema.version SET attributes = $9 WHERE name = $1 AND ordinal = $8 AND EXISTS (SELECT 1 FROM h)), `
	done    = `o AS (INSERT INTO $schema.operation AS o (id, uid) SELECT $5::bytea, $6::bytea FROM h ON CONFLICT (id) DO UPDATE SET at = excluded.at,
	uid = CASE WHEN o.uid = $7 OR o.at < excluded.at - interval '60 seconds' THEN excluded.uid END)
SELECT (SELECT count(*) FROM h) > 0, s.head, coalesce(s.deleted, false), clock_timestamp()
FROM (SELECT 1) one LEFT JOIN $schema.secret s ON s.name = $1 AND NOT EXISTS (SELECT 1 FROM h)`
)

func newStatements(schema string) statements {
	with := func(sql string, parts ...string) string {
		return in(schema, strings.NewReplacer(parts...).Replace(sql))
	}
	ofState := []string{"$schema.secret", "$schema.state"} // rows of the same shape
	return statements{
		newest:    with(one, "$pick", theNewest),
		byOrdinal: with(one, "$pick", "AND ordinal = $3"),
		byUID:     with(one, "$pick", "AND uid = $3"),
		all: with(`SELECT s.name, s.deleted, CASE WHEN lag(v.ordinal) OVER (ORDER BY v.ordinal) IS NULL THEN s.head END, v.ordinal, v.uid, v.attributes, CASE WHEN $3::boolean THEN v.value END
FROM $schema.secret s LEFT JOIN $schema.version v ON v.name = s.name WHERE s.name = $1 AND s.deleted = $2 ORDER BY v.ordinal`),
		whole:     with(columns + `v.value FROM $schema.secret s LEFT JOIN $schema.version v ON v.name = s.name ORDER BY s.name, v.ordinal`),
		orphans:   with(`SELECT DISTINCT v.name FROM $schema.version v WHERE NOT EXISTS (SELECT 1 FROM $schema.secret s WHERE s.name = v.name) ORDER BY 1`),
		list:      with(listed, "$where", "NOT deleted AND"),
		listTrash: with(listed, "$where", "deleted AND"),
		listAll:   with(listed, "$where", ""),
		picked: with(`SELECT v.name, false, NULL::bytea, v.ordinal, v.uid, v.attributes, NULL::bytea
FROM unnest($1::text[], $2::bigint[]) AS w (name, ordinal) JOIN $schema.version v ON v.name = w.name COLLATE "C" AND v.ordinal = w.ordinal`),
		partByUID:     with(part, "$by", "uid"),
		partByOrdinal: with(part, "$by", "ordinal"),

		create: with(created + added + done),
		add:    with(changed + added + done),
		patch:  with(changed + patched + done),
		move:   with(changed + done),
		begin:  with(created + done), // of a secret whose versions come next
		purge:  with(purged + done),
		lock:   with(`SELECT 1 FROM $schema.secret WHERE name = $1 FOR UPDATE`),

		operationOf: with(`SELECT uid FROM $schema.operation WHERE id = $1 AND at > clock_timestamp() - interval '60 seconds'`),
		repeated: with(`SELECT o.id, o.uid, s.deleted FROM $schema.operation o LEFT JOIN $schema.secret s ON s.name = $2
WHERE o.id = ANY($1) AND o.at > clock_timestamp() - interval '60 seconds'`),
		answered:  with(`DELETE FROM $schema.operation o USING unnest($1::bytea[], $2::bytea[]) AS a (id, uid) WHERE o.id = a.id AND o.uid = a.uid`),
		forgotten: with(`DELETE FROM $schema.operation WHERE at < clock_timestamp() - interval '5 minutes'`),

		state:      with(`SELECT head FROM $schema.state WHERE name = $1`),
		states:     with(`SELECT name, head FROM $schema.state ORDER BY 1`),
		makeState:  with(created+done, ofState...),
		writeState: with(changed+done, ofState...),
		size: `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'`,
	}
}
