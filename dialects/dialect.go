// Package dialects holds what the wire APIs in front of the gateway share
// with the server that mounts them.
package dialects

import "github.com/gorilla/mux"

// Dialect is one vendor's API on the gateway's router.
type Dialect interface {
	// Name is the vendor's word in the configuration and the audit: "azure".
	Name() string

	// Mount adds the dialect's routes to r, which must neither clean nor
	// decode paths:
	//
	//	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	//
	// The path picks the dialect: huawei takes /v1 and /v3 untouched, for its
	// requests are signed as they are; azure takes every path that is left, so
	// it is mounted last. A dialect answers whatever reaches it, unknown paths
	// and methods included, in its vendor's shape.
	Mount(r *mux.Router)
}
