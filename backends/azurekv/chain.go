package azurekv

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// The vault may be another gateway, and that one's vault too. To those behind it
// the tag of a gateway is a tag like any other, but the name is taken by their
// own. So each layer moves such names on by one: what the model calls
// "vaultferry" is natively "vaultferry.2", and that is "vaultferry.3", wherever
// a tag of ours stands beside them.
//
// Each layer costs a tag. A gateway tells in its answers how many a version may
// have (tagsHeader); a vault that tells nothing holds maxTags.

// movedName splits a name that is moved on: 1 for the tag of a gateway itself; 0 for
// any other name.
func movedName(name string) int {
	rest, ok := strings.CutPrefix(name, sidecarTag)
	switch n, err := strconv.Atoi(strings.TrimPrefix(rest, ".")); {
	case !ok:
		return 0
	case rest == "":
		return 1
	case err != nil || n < 2 || n > maxMoved || rest != "."+strconv.Itoa(n):
		return 0
	default:
		return n
	}
}

// maxMoved is far more than the layers that have a tag left.
const maxMoved = 99

func nameOfLayer(n int) string {
	if n == 1 {
		return sidecarTag
	}
	return sidecarTag + "." + strconv.Itoa(n)
}

// nativeName is how a tag is spelled beside one of ours.
func nativeName(name string) string {
	if n := movedName(name); n > 0 {
		return nameOfLayer(n + 1)
	}
	return name
}

// modelName is the other direction.
func modelName(native string) string {
	if n := movedName(native); n > 1 {
		return nameOfLayer(n - 1)
	}
	return native
}

// isReserved reports whether a gateway's tag would be taken for the name, in
// whatever case, and yet is not spelled so.
func isReserved(name string) bool {
	n := movedName(strings.ToLower(name))
	return n == maxMoved || n > 0 && movedName(name) == 0
}

// hasMoved reports whether any name is one that is moved on.
func hasMoved(tags map[string]string) bool {
	for name := range tags {
		if movedName(name) > 0 {
			return true
		}
	}
	return false
}

// tagsHeader is what gateways tell clients of their Azure dialect.
const tagsHeader = "Vaultferry-Tags"

// tagRoom is how many tags a version may have in the vault, ours included.
type tagRoom struct{ n atomic.Int64 }

// learn reads an answer.
func (r *tagRoom) learn(resp *http.Response) {
	if resp.StatusCode != http.StatusOK {
		return
	}
	n, err := strconv.Atoi(resp.Header.Get(tagsHeader))
	if err != nil || n < 1 || n > maxTags {
		n = maxTags
	}
	r.n.Store(int64(n))
}

// most is maxTags for as long as the vault has not answered.
func (r *tagRoom) most() int {
	if r == nil || r.n.Load() == 0 {
		return maxTags
	}
	return int(r.n.Load())
}

// MaxTags implements backends.TagLimiter.
func (b *Backend) MaxTags() int { return b.room.most() - 1 }
