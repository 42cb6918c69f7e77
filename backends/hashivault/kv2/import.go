package kv2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Import implements backends.Backend. Until it is done a marker hides the
// secret from readers of every gateway; one request then adds all attributes
// and removes the marker. A try that stopped leaves the marker, and what it
// wrote, for a second one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, token string) (*backends.Imported, error) {
	m, err := s.newImport(in, token)
	if err != nil {
		return nil, connection.Named(err, "import", in.Name)
	}
	unlock, err := s.writers.Lock(ctx, in.Name)
	if err != nil {
		return nil, connection.Named(err, "import", in.Name)
	}
	defer unlock()
	if err = m.run(ctx); err != nil {
		m.withdraw(ctx, err)
	}
	done := &backends.Imported{Stands: m.plan.stands(m.written)}
	if err == nil {
		if done.Secret, err = m.result(); err == nil {
			return done, nil
		}
		err = &secret.Error{Kind: secret.Unknown, Detail: "the import is done, but Vault shows something else than was written", Err: secret.Cause(err)}
	}
	return done, connection.Named(m.grade(err), "import", in.Name)
}

// importing is one import on its way.
type importing struct {
	s       *Store
	name    secret.Name
	at      connection.Location
	token   string // hashed; empty: none
	marker  string
	plan    *plan
	wanted  map[string]any // settings of the key
	limit   int64          // max_versions that somebody set of it before; zero: nobody
	st      *state
	written int64 // versions that stand
	begun   bool  // this call may have changed something
	resumed bool  // an earlier call began
	met     bool  // a version came in where none was expected
}

func (s *Store) newImport(in *secret.Secret, token string) (*importing, error) {
	_, err := history.HeadOf(in)
	if err = errors.Join(err, connection.CheckSecretTimes(in)); err != nil {
		return nil, err
	}
	at, err := s.Locate(in.Name)
	if err != nil {
		return nil, err
	}
	reduced := loss.Apply(in, s.Forecast(in))
	switch {
	case len(reduced.Versions) == 0 && s.known().lasts() > 0:
		return nil, secret.Errorf(secret.Lossy, detailDoomed)
	case len(reduced.Versions) == 0:
		return nil, secret.Errorf(secret.Lossy, "no version of the secret fits into Vault")
	}
	m := &importing{s: s, name: in.Name, at: at}
	m.wanted, reduced.Extra = splitSettings(reduced.Extra)
	m.plan = s.plan(reduced)
	if m.marker = secret.NewUID().String(); token != "" {
		sum := sha256.Sum256([]byte(token))
		m.token = hex.EncodeToString(sum[:16])
		m.marker = m.token
	}
	return m, nil
}

func (m *importing) run(ctx context.Context) error {
	kept, err := m.look(ctx)
	if err != nil {
		return err
	}
	switch st := m.st; {
	case st.unfinished():
		if m.token == "" || st.Custom[importKey] != m.marker {
			if st.Current > 0 {
				return secret.Errorf(secret.Conflict, detailUnfinished)
			}
			break // nothing stands: cas decides who of two may write the first
		}
		m.resumed = true
		if err := m.verify(ctx); err != nil {
			return err
		}
	case st.Custom[trashKey] != "":
		return &secret.Error{Kind: secret.Trashed}
	case st.Current > 0:
		return &secret.Error{Kind: secret.AlreadyExists}
	}
	if err := errors.Join(checkLasting(kept, m.st), m.checkBare()); err != nil {
		return err
	}
	m.begun = true
	if limit := m.st.Max; limit > 0 && !raised(limit) { // that somebody set, and the import needs more room
		m.limit = limit
		if m.wanted["max_versions"] == nil {
			m.wanted["max_versions"] = limit
		}
	}
	if err := m.makeRoom(ctx, kept); err != nil {
		return err
	}
	if err := m.mark(ctx); err != nil {
		return err
	}
	if len(m.layOut().companion) > 0 { // now, for the metadata grows with each version
		if err := m.s.ensureBorn(ctx, m.st); err != nil {
			return err
		}
	}
	if err := m.values(ctx); err != nil {
		return err
	}
	if err := m.erase(ctx); err != nil {
		return err
	}
	return m.reveal(ctx)
}

// look reads what stands and, at the same time, where that is not known yet,
// what the mount says of how long versions last.
func (m *importing) look(ctx context.Context) (kept *mount, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		m.st, err = m.s.load(gctx, m.at, m.name)
		return err
	})
	g.Go(func() (err error) {
		kept, err = m.s.mountSettings(gctx)
		return err
	})
	return kept, g.Wait()
}

// makeRoom leaves a limit of the mount alone where everything fits below it.
func (m *importing) makeRoom(ctx context.Context, of *mount) error {
	steps := int64(len(m.plan.steps))
	switch {
	case of.Max < steps:
		return m.s.makeRoom(ctx, m.st, steps)
	case !m.st.exists:
		return m.s.makeKey(ctx, m.st)
	}
	return nil
}

func (m *importing) mark(ctx context.Context) error {
	return m.s.patchCustom(ctx, m.at.Path, map[string]any{importKey: m.marker})
}

// verify proves that what an earlier try wrote is what this one would have.
func (m *importing) verify(ctx context.Context) error {
	if m.st.Current > int64(len(m.plan.steps)) {
		return errIntruder()
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(connection.InFlight)
	for i, st := range m.plan.steps[:m.st.Current] {
		g.Go(func() error {
			got, err := m.s.readData(gctx, m.at.Path, int64(i)+1)
			if err != nil || st.erase && got.Metadata.Destroyed {
				return err
			}
			if !connection.SameFields(got.Data, m.s.data(&st)) {
				return errIntruder()
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		m.written = m.st.Current
	}
	return err
}

// checkLasting refuses, before anything is written, a place where Vault
// deletes versions after a time. Of a mount whose settings are known Forecast
// says so; a gateway that may not read them learns it from its first write.
func checkLasting(m *mount, st *state) error {
	ofMount, _ := time.ParseDuration(m.Lasting)
	ofKey, _ := time.ParseDuration(st.Lasting)
	if ofMount > 0 || ofMount == 0 && ofKey > 0 { // below zero: never, whatever the key says
		return secret.Errorf(secret.Unsupported, detailDoomed)
	}
	return nil
}

// checkBare refuses, before anything is written, a key that native tools made
// ready if the import would change what they set of it.
func (m *importing) checkBare() error {
	if m.st.Current > 0 {
		return nil
	}
	for k, v := range m.st.Custom {
		if !ours(k) && m.plan.head.Tags[k] != v {
			return secret.Errorf(secret.Conflict, detailBare)
		}
	}
	then := m.st.metadata
	if err := json.Unmarshal(connection.Marshal(m.wanted), &then); err != nil {
		return err
	}
	after := then.settings()
	for member, is := range m.st.settings() {
		if !bytes.Equal(after[member], is) {
			return secret.Errorf(secret.Conflict, detailBare)
		}
	}
	return nil
}

const detailBare = "under this name Vault holds custom_metadata or settings, and no version, and the import would replace them: remove the key, or restore under another name"

const detailDoomed = "Vault would delete the versions after a time (delete_version_after of the mount or the key): turn that off, remove the secret if an import of it is unfinished, and repeat"

func errIntruder() error {
	return secret.Errorf(secret.Conflict, "another writer added versions to the unfinished import")
}

// values writes the versions in order, each only onto the one before it.
func (m *importing) values(ctx context.Context) error {
	for surprises := 0; m.written < int64(len(m.plan.steps)); {
		got, err := m.s.writeData(ctx, m.at.Path, m.s.data(&m.plan.steps[m.written]), m.written)
		switch {
		case errors.Is(err, secret.Conflict) && surprises < attempts:
			surprises++
			if err := m.catchUp(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		m.written++
		m.st.grow(m.written, versionFact{Created: got.Created, Deletion: got.Deletion})
		if got.Deletion != "" {
			return secret.Errorf(secret.Unsupported, detailDoomed)
		}
		if got.Custom[importKey] != m.marker { // another's, who now finds the name taken
			if err := m.mark(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// catchUp follows a version that came in between. It may be this import's own,
// of a request that arrived twice or late: then it goes on. On a name on which
// it has written nothing, another's version means that the name is taken.
func (m *importing) catchUp(ctx context.Context) (err error) {
	m.met = true
	first := m.written == 0 && !m.resumed
	if m.st, err = m.s.load(ctx, m.at, m.name); err == nil {
		if err = m.verify(ctx); m.st.Custom[importKey] != m.marker {
			err = errIntruder()
		}
	}
	switch {
	case err == nil || !first:
		return err
	case errors.Is(err, secret.Conflict):
		return m.yield(ctx)
	}
	return &secret.Error{Kind: secret.Unknown, Detail: "Vault did not say whether the first version is of this import or of another writer", Err: secret.Cause(err)}
}

// withdraw frees a name on which surely nothing was written. What fails here
// leaves the marker, which the next import of the name takes over.
func (m *importing) withdraw(ctx context.Context, err error) {
	if k := secret.KindOf(err); !m.begun || m.resumed || m.met || m.written > 0 || k == secret.Unknown || k == secret.AlreadyExists {
		return
	}
	ctx, cancel := connection.ToCleanUp(ctx)
	defer cancel()
	_ = m.yield(ctx)
}

// yield takes the marker back, and gives back the limit, of a name that another
// writer took first.
func (m *importing) yield(ctx context.Context) error {
	now, err := m.s.load(ctx, m.at, m.name)
	if err != nil {
		return err
	}
	if now.Custom[importKey] == m.marker {
		var settings map[string]any
		if m.limit > 0 {
			settings = map[string]any{"max_versions": m.limit}
		}
		if err := m.s.patchMetadata(ctx, m.at.Path, map[string]any{importKey: nil}, settings); err != nil {
			return err
		}
	}
	return &secret.Error{Kind: secret.AlreadyExists}
}

// erase destroys what is to be no version, or one without a value.
func (m *importing) erase(ctx context.Context) error {
	numbers := m.plan.erased()
	if err := m.s.destroy(ctx, m.at.Path, numbers); err != nil {
		return err
	}
	for _, n := range numbers {
		m.st.grow(n, versionFact{Created: m.st.fact(n).Created, Destroyed: true})
	}
	return nil
}

// layOut finds the attributes their places.
func (m *importing) layOut() layout {
	st := m.st
	st.head = headEntry{} // of a write that failed before this import
	c := change{versions: maps.Clone(m.plan.versions), head: &m.plan.head}
	for _, k := range st.ahead(1) { // of the same
		c.versions[k] = ""
	}
	l := st.layOut(c)
	l.custom[importKey] = nil
	l.settings = m.wanted
	return l
}

// reveal adds the attributes and removes the marker in one request.
func (m *importing) reveal(ctx context.Context) error {
	l := m.layOut()
	if err := m.s.write(ctx, m.st, l); err != nil {
		return err
	}
	if err := json.Unmarshal(connection.Marshal(m.wanted), &m.st.metadata); err != nil {
		return err
	}
	return m.st.absorb(l)
}

// result is the secret as the writes left it: the product has told all that it
// makes of a version in its answers.
func (m *importing) result() (*secret.Secret, error) {
	m.st.numbers = m.st.listNumbers()
	if err := m.st.visible(); err != nil {
		return nil, err
	}
	out, err := m.s.secret(m.st)
	m.st.complete(out, m.s.Now())
	return out, err
}

// grade says of an error what it means once something may stand.
func (m *importing) grade(err error) error {
	kind := secret.KindOf(err)
	if !m.begun || kind == secret.Unknown || kind == secret.AlreadyExists || m.written == 0 {
		return err
	}
	detail := "the import stopped midway and shows nothing yet; the same request completes it"
	if kind == secret.Unsupported || kind == secret.Conflict {
		detail = secret.DetailOf(err)
	}
	return &secret.Error{Kind: secret.Partial, Detail: detail, Err: secret.Cause(err)}
}
