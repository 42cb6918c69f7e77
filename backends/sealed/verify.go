package sealed

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// SecretVerifier is what is learned of one secret by those who look through a store:
// first its head and the attributes of its versions, then their values. What is
// damaged is added to the findings.
type SecretVerifier struct {
	Versions map[secret.Ordinal]*secret.Version // nil: its attributes do not open
	ByUID    map[secret.UID]secret.Ordinal
	Unread   int // versions whose attributes do not open

	sealer *Sealer
	found  *backends.Findings
	name   secret.Name
	head   *history.Head
	values map[secret.Ordinal]bool
	last   secret.Ordinal
}

// VerifySecret begins to look at a secret.
func (s *Sealer) VerifySecret(found *backends.Findings, name secret.Name) *SecretVerifier {
	return &SecretVerifier{
		Versions: map[secret.Ordinal]*secret.Version{}, ByUID: map[secret.UID]secret.Ordinal{},
		sealer: s, found: found, name: name, values: map[secret.Ordinal]bool{},
	}
}

// Damaged adds what is wrong.
func (v *SecretVerifier) Damaged(format string, args ...any) {
	v.found.Add(string(v.name), fmt.Sprintf(format, args...))
}

// Head takes the head, of a place for deleted secrets or for live ones.
func (v *SecretVerifier) Head(deleted bool, record []byte) {
	if deleted {
		v.found.Deleted++
	} else {
		v.found.Secrets++
	}
	h, err := v.sealer.UnsealHead(deleted, v.name, record)
	switch {
	case err != nil:
		v.Damaged("its own record does not open: its description, tags, labels and which version is current are lost")
		return
	case (h.Secret.Deleted != nil) != deleted:
		v.Damaged("its own record does not say what its place says: whether it is deleted")
	}
	if v.head == nil || !deleted {
		v.head = h
	}
}

// Version takes the attributes of a version.
func (v *SecretVerifier) Version(n secret.Ordinal, record []byte) {
	v.found.Versions++
	if n <= 0 {
		v.Damaged("a version has the number %d", n)
		return
	}
	v.last = max(v.last, n)
	version, err := v.sealer.UnsealVersion(v.name, n, record)
	v.Versions[n] = version
	if err != nil {
		v.Unread++
		v.Damaged("version %d: its attributes do not open", n)
		return
	}
	owner, taken := v.ByUID[version.UID]
	if !taken {
		owner = n
	}
	if taken || version.UID.IsZero() {
		v.Damaged("version %d has no id of its own", max(n, owner))
	}
	v.ByUID[version.UID] = min(n, owner)
}

// Value takes a value. The UID of its version, which was taken before, is part of its place.
func (v *SecretVerifier) Value(n secret.Ordinal, record []byte) {
	twice := v.values[n]
	v.values[n] = true
	version, there := v.Versions[n]
	switch {
	case twice:
		v.Damaged("version %d has two values", n)
	case !there:
		v.Damaged("version %d: there is a value and nothing else", n)
	case version == nil: // said already
	case version.Missing != "":
		v.Damaged("version %d says that it has no value, and there is one", n)
	default:
		if _, err := v.sealer.UnsealValue(v.name, version.UID, record); err != nil {
			v.Damaged("version %d: its value does not open", n)
		}
	}
}

// MissingValues tells which values are not there, when all have been taken.
func (v *SecretVerifier) MissingValues() {
	for _, n := range slices.Sorted(maps.Keys(v.Versions)) {
		if version := v.Versions[n]; version != nil && version.Missing == "" && !v.values[n] {
			v.Damaged("version %d: its value is not there", n)
		}
	}
}

// Compare tells where the head and the versions disagree, when all have been taken.
func (v *SecretVerifier) Compare() {
	switch {
	case v.head == nil:
		return
	case len(v.Versions) == 0:
		v.Damaged("it has no version")
	case v.last > v.head.Last:
		v.Damaged("version %d stands, and its own record knows %d alone: an older record stands in the place of a newer one", v.last, v.head.Last)
	}
	head := &v.head.Secret
	if _, there := v.Versions[head.Current]; !there && head.Current != 0 {
		v.Damaged("version %d is the current one, and is not there", head.Current)
	}
	if _, there := v.Versions[head.Previous]; !there && head.Previous != 0 {
		v.Damaged("version %d is the previous one, and is not there", head.Previous)
	}
	for _, n := range slices.Sorted(maps.Values(v.head.Stages)) {
		if _, there := v.Versions[n]; !there {
			v.Damaged("a label is on version %d, which is not there", n)
		}
	}
}

// VerifyState looks at a record of the gateway.
func (s *Sealer) VerifyState(found *backends.Findings, key string, record []byte) {
	found.Records++
	text, _, err := s.UnsealState(key, record)
	switch {
	case kit.CheckStateKey(key) != nil:
		found.Add("", "records of the gateway: a key is none: "+strconv.Quote(key))
	case err != nil:
		found.Add("", "the gateway's record "+strconv.Quote(key)+" does not open")
	case !json.Valid(text):
		found.Add("", "the gateway's record "+strconv.Quote(key)+" is no JSON")
	}
}
