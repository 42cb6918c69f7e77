// Package backendtest is the conformance suite that every backend passes, with
// the sample secret and the comparison that other tests share.
//
// It is for anybody's backend, in any module: a test calls Run with a Harness,
// and `go test -v` prints the report of what the backend holds (see CapabilityReport).
//
// Nothing in it prints a value: a failure names ordinals, attributes and
// lengths.
package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Harness opens the backend under test.
//
// It has no switch for what a product cannot hold: that is what Capabilities
// and Forecast say, and the suite holds the backend to it in both directions.
type Harness struct {
	// Open returns a fresh, empty store at each call and closes it with t.
	Open func(t *testing.T) backends.Backend
	// Reopen closes a store that Open returned and opens it again. Needed
	// exactly where Capabilities.Durable is set and the store is embedded;
	// nil: the store lives in another process.
	Reopen func(t *testing.T, b backends.Backend) backends.Backend
	// Keys are those under which Open wrapped what the store seals itself with. Nil: it
	// seals nothing.
	Keys func(b backends.Backend) backends.KeyWrapper
	// Writers is how many write one name at once; zero means 32.
	Writers int
	// Spoil puts into a store that Open returned, beside the backend, whatever
	// its lists must leave out, and returns that: all with names that begin with
	// "spoilt". Nil: nobody but the backend gets at what it keeps.
	Spoil func(t *testing.T, b backends.Backend) []secret.LeftOut
}

// Run puts the backend through the whole suite, each case on a fresh store.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Writers == 0 {
		h.Writers = 32
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"Capabilities", testCapabilities},
		{"CapabilityReport", testReport},
		{"Values", testValues},
		{"ValueLimit", testValueLimit},
		{"Attributes", testAttributes},
		{"OddSecrets", testOddSecrets},
		{"OddUpdates", testOddUpdates},
		{"Tags", testTags},
		{"TagsChange", testTagsChange},
		{"TagsOfOthers", testTagsOfOthers},
		{"AttributesOfSecret", testAttributesOfSecret},
		{"NewExtra", testNewExtra},
		{"MergeExtra", testMergeExtra},
		{"BadDrafts", testBadDrafts},
		{"Names", testNames},
		{"BadNames", testBadNames},
		{"Versions", testVersions},
		{"Identity", testIdentity},
		{"Roles", testRoles},
		{"RolesMove", testRolesMove},
		{"RolesStay", testRolesStay},
		{"Stages", testStages},
		{"OnlyIfAbsent", testOnlyIfAbsent},
		{"NotFound", testNotFound},
		{"Describe", testDescribe},
		{"Paging", testPaging},
		{"PagingWhileWriting", testPagingWhileWriting},
		{"LeftOut", testLeftOut},
		{"NamesAlone", testNamesAlone},
		{"Aliasing", testAliasing},
		{"Forecast", testForecast},
		{"Import", testImport},
		{"ImportEach", testImportEach},
		{"ImportThenPut", testImportThenPut},
		{"ImportExisting", testImportExisting},
		{"ImportRepeated", testImportRepeated},
		{"ImportBad", testImportBad},
		{"ImportVersionLimit", testImportVersionLimit},
		{"PutVersionLimit", testPutVersionLimit},
		{"Cancelled", testCancelled},
		{"CancelledMidway", testCancelledMidway},
		{"Writers", testWriters},
		{"Creators", testCreators},
		{"ReadersDuringWrites", testReadersDuringWrites},
		{"Importers", testImporters},
		{"Update", testUpdate},
		{"UpdateOfPut", testUpdateOfPut},
		{"UpdateRefused", testUpdateRefused},
		{"UpdateAliasing", testUpdateAliasing},
		{"UpdateCancelledMidway", testUpdateCancelledMidway},
		{"Updaters", testUpdaters},
		{"Trash", testTrash},
		{"TrashForEver", testTrashForEver},
		{"TrashNeighbours", testTrashNeighbours},
		{"TrashNotFound", testTrashNotFound},
		{"TrashPaging", testTrashPaging},
		{"TrashAmongLive", testTrashAmongLive},
		{"TrashAliasing", testTrashAliasing},
		{"TrashCancelled", testTrashCancelled},
		{"TrashCancelledMidway", testTrashCancelledMidway},
		{"TrashRaces", testTrashRaces},
		{"TrashTurmoil", testTrashTurmoil},
		{"TrashReopen", testTrashReopen},
		{"PurgeExactly", testPurgeExactly},
		{"Marked", testMarked},
		{"MarkedGone", testMarkedGone},
		{"Append", testAppend},
		{"Appenders", testAppenders},
		{"Deciders", testDeciders},
		{"VersionPages", testVersionPages},
		{"VersionPagesOfTrash", testVersionPagesOfTrash},
		{"VersionPagesDuringWrites", testVersionPagesDuringWrites},
		{"ManyVersionPages", testManyVersionPages},
		{"State", testState},
		{"StateRefused", testStateRefused},
		{"StateHidden", testStateHidden},
		{"StateCancelled", testStateCancelled},
		{"StateWriters", testStateWriters},
		{"StateReopen", testStateReopen},
		{"OtherKeys", testOtherKeys},
		{"Reopen", testReopen},
		{"Close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

// patience bounds one case, so that a hang names its case. It is far longer than
// any case takes on a machine that does much else.
const patience = 10 * time.Minute

// begin opens a fresh store and the context of one case.
func begin(t *testing.T, h Harness) (context.Context, backends.Backend) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx, h.Open(t)
}

func testCapabilities(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	c := b.Capabilities()
	if c.Product == "" {
		t.Error("the product has no name")
	}
	if c.MaxValue < 0 || c.MaxVersions < 0 {
		t.Error("a limit is negative")
	}
	if _, ok := b.(backends.StateStore); c.Fleet && (!ok || !c.AtomicCreate || !c.Durable) {
		t.Error("gateways would know each other by a record that is not there, or is lost")
	}
	if b.Capabilities() != c {
		t.Error("capabilities change between two calls")
	}
	if err := b.Check(ctx); err != nil {
		t.Errorf("Check of a fresh store: %v", err)
	}
}

func testReopen(t *testing.T, h Harness) {
	if h.Reopen == nil {
		t.Skip("the store is not embedded, or not durable")
	}
	ctx, b := begin(t, h)
	if !b.Capabilities().Durable {
		t.Fatal("the harness can reopen, but the store says that it is not durable")
	}
	want := Sample("kept")
	mustImport(ctx, t, b, want, "")
	put(ctx, t, b, "other", text("canary-kept"))
	other := export(ctx, t, b, "other")
	b = h.Reopen(t, b)
	Compare(t, want, export(ctx, t, b, "kept"), b.Forecast(want))
	Compare(t, other, export(ctx, t, b, "other"), nil)
}

func testClose(t *testing.T, h Harness) {
	_, b := begin(t, h)
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
