package postgres

// migration is one step of the schema. A later release adds more; none is ever
// changed.
type migration struct {
	// oldest is the oldest release that may use the schema from here on, by the
	// newest schema that it knows.
	oldest int
	sql    string
}

// migrations are all that this release knows. $schema stands for the schema.
var migrations = []migration{
	{1, `
CREATE TABLE $schema.secret (
	name    text COLLATE "C" PRIMARY KEY,
	deleted boolean NOT NULL,
	head    bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX secret_live ON $schema.secret (name) WHERE NOT deleted;
CREATE INDEX secret_trash ON $schema.secret (name) WHERE deleted;
CREATE TABLE $schema.version (
	name       text COLLATE "C" NOT NULL,
	ordinal    bigint NOT NULL CHECK (ordinal > 0),
	uid        bytea NOT NULL CHECK (length(uid) = 16),
	attributes bytea NOT NULL,
	value      bytea,
	PRIMARY KEY (name, ordinal),
	CONSTRAINT version_uid UNIQUE (name, uid)
);
CREATE TABLE $schema.state (
	name    text COLLATE "C" PRIMARY KEY,
	deleted boolean NOT NULL,
	head    bytea NOT NULL
);
CREATE TABLE $schema.operation (
	id   bytea PRIMARY KEY,
	uid  bytea NOT NULL,
	at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX operation_at ON $schema.operation (at);
ALTER TABLE $schema.secret ALTER COLUMN head SET STORAGE EXTERNAL;
ALTER TABLE $schema.version ALTER COLUMN attributes SET STORAGE EXTERNAL, ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE $schema.state ALTER COLUMN head SET STORAGE EXTERNAL;
`},
}

// newest is the newest schema that this release knows.
func newest() int { return len(migrations) }

// tables are those of the newest schema.
var tables = []string{"store", "secret", "version", "state", "operation"}

// storeTable names the schema: which version it has, and who may use it. It is
// read before anything else, so it stays as it is for ever.
const storeTable = `
CREATE TABLE $schema.store (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	product text NOT NULL,
	version integer NOT NULL,
	oldest  integer NOT NULL,
	name    text NOT NULL,
	key     bytea NOT NULL
)`
