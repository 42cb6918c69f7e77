package snapshot_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// childEnv says what a child of the test does: a word, the folder of the
// repository, that of the keyring, the number of the state of the store, and the
// size from which on files cannot be written; negative: nothing can be written.
const childEnv = "VAULTFERRY_SNAPSHOT_CHILD"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(childEnv)); len(words) > 0 {
		if err := child(words); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// ofState is a store of many secrets, of which the half is new in each state. Every
// tenth is larger than those before it.
func ofState(state int) store {
	var all store
	for i := range 120 {
		value := "same"
		if i%2 == 0 {
			value = strconv.Itoa(state)
		}
		all = append(all, struct {
			name  secret.Name
			value string
		}{secret.Name(fmt.Sprintf("secret-%03d", i)), value + strings.Repeat("_", i/10*60)})
	}
	return all
}

func child(words []string) error {
	does, dir, ring := words[0], words[1], words[2]
	state, _ := strconv.Atoi(words[3])
	most, _ := strconv.ParseInt(words[4], 10, 64)
	keys, err := backup.LoadKeyring(ring)
	if err != nil {
		return err
	}
	if most < 0 { // the folders above are nobody else's
		if err := os.Chdir(filepath.Dir(dir)); err != nil {
			return err
		}
		dir = filepath.Base(dir)
	}
	w := &world{dir: dir, keys: keys, at: time.Now()}
	if w.Repository, err = snapshot.Open(dir, keys, w.now); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "begun"); err != nil {
		return err
	}
	if err := restrict(most); err != nil {
		return err
	}
	switch does { // without the lock
	case "drill":
		return w.AddDrill(&snapshot.Drill{Store: "main", Begun: w.at, Ended: w.at})
	case "check":
		c, err := w.Check(context.Background(), snapshot.CheckOptions{ReadData: true})
		if err == nil && len(c.Damage) > 0 {
			err = errors.New(c.Damage[0].File + ": " + c.Damage[0].What)
		}
		return err
	case "restore":
		return w.blobs()
	}
	_, lock, err := w.Lock(context.Background(), "local:child", does)
	if err != nil {
		return err
	}
	return errors.Join(w.child(does, lock, state), lock.Release())
}

// restrict has the disk be full, or only to be read, for this process.
func restrict(most int64) error {
	switch {
	case most == 0:
		return nil
	case most < 0 && os.Geteuid() == 0: // who may do everything
		return syscall.Setuid(65534)
	case most < 0:
		return nil
	}
	signal.Ignore(syscall.SIGXFSZ) // a full disk raises no signal either
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(most), Max: uint64(most)})
}

// blobs reads what a restore of every snapshot would.
func (w *world) blobs() error {
	key, _, err := w.Key()
	if err != nil {
		return err
	}
	h, err := w.History()
	if err != nil {
		return err
	}
	for _, s := range h.Kept {
		if _, err := w.Load(s.ID, func(e *snapshot.Entry) error {
			_, err := w.Blob(key, e)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) child(does string, lock *snapshot.Lock, state int) error {
	h, err := w.History()
	if err != nil {
		return err
	}
	switch does {
	case "create":
		_, err = w.begin(lock, "main", ofState(state))
	case "forget":
		err = w.Forget(lock, "local:child", h.Kept[0])
	case "key":
		_, err = w.AddRecipient(lock, backup.NewKeyring())
	case "prune":
		for _, s := range h.Kept[:len(h.Kept)-1] {
			if err := w.Forget(lock, "local:child", s); err != nil {
				return err
			}
		}
		_, err = w.Prune(context.Background(), lock, snapshot.PruneOptions{})
	}
	return err
}

// run runs a child, and kills it after the delay, if that is not negative. It
// returns how long the child ran from its beginning on.
func (w *world) run(t *testing.T, does string, state, most int, delay time.Duration) (time.Duration, error) {
	t.Helper()
	ring := filepath.Join(filepath.Dir(w.dir), "keyring.json")
	if _, err := os.Stat(ring); err != nil {
		must(t, w.keys.Create(ring))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d %d", childEnv, does, w.dir, ring, state, most))
	out, err := cmd.StdoutPipe()
	must(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	r := bufio.NewReader(out)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err, said.String())
	}
	start := time.Now()
	if delay >= 0 {
		timer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	_, _ = io.Copy(io.Discard, r)
	if err := cmd.Wait(); err != nil {
		return time.Since(start), errors.New(said.String())
	}
	return time.Since(start), nil
}

// wholeStates fails unless every kept snapshot is whole, and holds what the store
// held in one of the states.
func (w *world) wholeStates(t *testing.T) {
	t.Helper()
	w.at = time.Now()
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Fatal(d)
	}
	h, err := w.History()
	must(t, err)
	key, _, err := w.Key()
	must(t, err)
	for _, s := range h.Kept {
		seen := map[string]bool{}
		count := 0
		_, err := w.Load(s.ID, func(e *snapshot.Entry) error {
			_, doc, err := w.Document(key, e)
			if err == nil {
				count++
				seen[strings.TrimRight(string(doc.Secret.Versions[0].Value.Reveal()), "_")] = true
			}
			return err
		})
		must(t, err)
		delete(seen, canary+"same")
		if count != 120 || len(seen) != 1 {
			t.Errorf("snapshot %s holds %d secrets of %d states", s.ID, count, len(seen))
		}
	}
}

// kills is how often each is killed here; go test -count does it more often.
const kills = 5

// TestKilled: whenever create or prune is killed, the kept snapshots are whole, the
// next ones go on at once, and a prune leaves nothing behind.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	took, err := w.run(t, "create", 0, 0, -1)
	must(t, err)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for i := range kills {
		_, _ = w.run(t, "create", 2*i+1, 0, time.Duration(random.Int64N(int64(took)+1)))
		w.wholeStates(t)
		_, err := w.run(t, "create", 2*i+2, 0, -1)
		must(t, err)
		w.at = time.Now()
		w.age(t, 25*time.Hour)
		_, _ = w.run(t, "prune", 0, 0, time.Duration(random.Int64N(int64(took)/2+1)))
		w.wholeStates(t)
	}
	_, err = w.run(t, "create", 99, 0, -1)
	must(t, err)
	w.at = time.Now()
	w.age(t, 25*time.Hour)
	_, err = w.run(t, "prune", 0, 0, -1)
	must(t, err)
	w.wholeStates(t)
	documents, others := 0, 0
	for name := range w.files(t) {
		switch {
		case strings.HasPrefix(name, "documents/"):
			documents++
		case strings.HasPrefix(name, "work/"):
			others++
		}
	}
	if documents != 120 || others != 0 {
		t.Errorf("%d documents and %d unfinished files are left", documents, others)
	}
}
