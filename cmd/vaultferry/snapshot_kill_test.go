package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestSnapshotKilled: over every product, create and prune die at any moment, and
// each snapshot that is kept restores whole, as the store was; the next command goes
// on at once, and at the end nothing is left that no snapshot names.
func TestSnapshotKilled(t *testing.T) {
	t.Parallel()
	w := newKillWorld(t)
	w.stores += fmt.Sprintf("  - { name: vault1-a, backend: hashivault, hashivault: { address: %q, mount: %s, kv: 1, token: { file: vault.token } } }\n", w.server.Address, w.server.NewMountV1(t))
	kinds := []string{"bolt", "vault", "vault1", "keyvault", "csms", "memory"}
	if postgrestest.Installed(t) {
		server := postgrestest.Start(t, postgrestest.Options{})
		w.stores += fmt.Sprintf("  - { name: postgres-a, backend: postgres, postgres: { dsn: %q } }\n", server.DSN(server.NewDatabase(t)))
		w.file(t, w.config, commonConfig+w.stores)
		w.must(t, exitDone, "store", "upgrade", "postgres-a")
		kinds = append(kinds, "postgres")
	}
	t.Run("over", func(t *testing.T) {
		for _, kind := range kinds {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				k := &killedSnapshots{killWorld: w.lane(t, kind), repo: "repo-" + kind, store: kind + "-a", states: map[string]int{}}
				k.rounds(t)
			})
		}
	})
	w.findCanariesIn(t, ".")
}

// killedSnapshots kills commands on a repository of one store.
type killedSnapshots struct {
	*killWorld
	repo, store string
	state       int            // of the store
	states      map[string]int // that snapshots were taken of
	created     time.Duration  // what a create takes
	deaths      int
}

func (k *killedSnapshots) rounds(t *testing.T) {
	k.inside(t, exitDone, "snapshot", "init", "--repo", k.path(k.repo))
	k.write(t)
	k.created = k.dies(t, "create", -1)
	k.sound(t)
	for n := 0; n < *snapshotDeaths || k.deaths < *snapshotDeaths && n < 6**snapshotDeaths; n++ { // some are faster than their end
		k.write(t)
		before := k.deaths
		k.dies(t, "create", k.created)
		if k.deaths == before { // on a busy machine it was slow only once
			k.created /= 2
		}
		k.sound(t)
		k.inside(t, exitDone, "snapshot", "create", k.store, "--repo", k.path(k.repo))
		k.sound(t)
		k.inside(t, exitDone, "snapshot", "forget", "--repo", k.path(k.repo), "--keep-last", "2")
		k.age(t)
		k.dies(t, "prune", k.created/4)
		k.sound(t)
	}
	k.inside(t, exitDone, "snapshot", "forget", "--repo", k.path(k.repo), "--keep-last", "1")
	k.age(t)
	k.inside(t, exitDone, "snapshot", "prune", "--repo", k.path(k.repo))
	k.sound(t)
	k.nothingElse(t)
	if 2*k.deaths < *snapshotDeaths {
		t.Errorf("only %d were killed", k.deaths)
	}
}

func (k *killedSnapshots) path(name string) string { return filepath.Join(k.dir, name) }

// write gives every other secret a version more.
func (k *killedSnapshots) write(t *testing.T) {
	t.Helper()
	k.state++
	s, call := k.service(t, k.store)
	for i, name := range moved {
		if k.state > 1 && i%2 == 0 {
			continue
		}
		d := secret.Draft{Value: secret.TextValue(canary(name, k.state)), Tags: map[string]string{"canary-key": "canary-value"}}
		if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: k.store, Name: name}, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// dies runs a command and kills it within the time after it has the lock; with a
// negative one it lives. It returns for how long it had the lock.
func (k *killedSnapshots) dies(t *testing.T, does string, within time.Duration) time.Duration {
	t.Helper()
	args := []string{"snapshot", does, "--repo", k.repo}
	if does == "create" {
		args = append(args, k.store)
	}
	cmd := k.command(t.Context(), args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for lock := filepath.Join(k.dir, k.repo, "lock"); ; {
		b, _ := os.ReadFile(lock)
		if strings.Contains(string(b), "snapshot."+does) {
			break
		}
		select {
		case err := <-ended: // it was faster than the look
			if exitCode(err) != exitDone {
				t.Fatalf("%s: %v: %s", does, err, &said)
			}
			return 0
		case <-look.C:
		}
	}
	start := time.Now()
	if within >= 0 {
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(within)+1)), func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err := <-ended
	if err != nil && (within < 0 || exitCode(err) != -1) {
		t.Fatalf("%s: %v: %s", does, err, &said)
	}
	if err != nil {
		k.deaths++
	}
	return time.Since(start)
}

// sound fails unless every kept snapshot restores whole, and holds one state of the
// store: that of its time.
func (k *killedSnapshots) sound(t *testing.T) {
	t.Helper()
	keys, err := backup.LoadKeyring(k.path("keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(k.path(k.repo), keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Check(t.Context(), snapshot.CheckOptions{ReadData: true})
	if err != nil || len(c.Damage) > 0 {
		t.Fatal(c, err)
	}
	h, err := r.History()
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := r.Key()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range h.Kept {
		state, ok := k.states[s.ID]
		if !ok {
			state = k.state
			k.states[s.ID] = state
		}
		k.holds(t, r, key, s, state)
		if !ok {
			k.inside(t, exitDone, "snapshot", "drill", s.ID, "--repo", k.path(k.repo))
		}
	}
}

func (k *killedSnapshots) holds(t *testing.T, r *snapshot.Repository, key *backup.RepositoryKey, s *snapshot.Snapshot, state int) {
	t.Helper()
	i := 0
	_, err := r.Load(s.ID, func(e *snapshot.Entry) error {
		_, doc, err := r.Document(key, e)
		if err != nil {
			return err
		}
		want := state
		if i%2 == 0 {
			want = 1
		}
		v := doc.Secret.Newest()
		if i >= len(moved) || e.Name != moved[i] || v == nil || string(v.Value.Reveal()) != canary(e.Name, want) {
			return fmt.Errorf("%s is not as it was in state %d", e.Name, want)
		}
		i++
		return nil
	})
	if err != nil || i != len(moved) {
		t.Fatalf("snapshot %s holds %d secrets: %v", s.ID, i, err)
	}
}

// age makes all files older than a day.
func (k *killedSnapshots) age(t *testing.T) {
	t.Helper()
	at := time.Now().Add(-25 * time.Hour)
	err := filepath.WalkDir(k.path(k.repo), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nothingElse: of one snapshot the repository has one document for each secret, and
// nothing that was never finished.
func (k *killedSnapshots) nothingElse(t *testing.T) {
	t.Helper()
	documents, err := filepath.Glob(k.path(k.repo + "/documents/*/*"))
	left, err2 := filepath.Glob(k.path(k.repo + "/work/*"))
	if err := errors.Join(err, err2); err != nil || len(documents) != len(moved) || len(left) > 0 {
		t.Errorf("%d documents and %v are left, %v", len(documents), left, err)
	}
}
