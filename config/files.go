package config

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"reflect"
)

// Digest is the SHA-256 of what a file held. The zero Digest is of one that could
// not be read, or is no regular file.
type Digest [sha256.Size]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Files are the files that the configuration was read from: its own, and those that
// it refers to or names, except where the gateway writes them, or reads them each
// time that it needs them. Each has the digest of what it held when it was read, or
// before.
func (c *Config) Files() map[string]Digest {
	all := maps.Clone(c.refs.loaded)
	for i := range c.Stores {
		maps.Copy(all, c.Stores[i].refs.loaded)
	}
	return all
}

// Digest is that of the configuration's own file, as it was parsed: the file may
// hold something else by now.
func (c *Config) Digest() Digest { return c.refs.parsed }

// Same reports whether a part of two configurations is the same, and the files that
// it names hold the same.
func Same(a, b *Config, part func(*Config) any) bool {
	return reflect.DeepEqual(part(a), part(b)) && maps.Equal(a.filesOf(part(a)), b.filesOf(part(b)))
}

func (c *Config) filesOf(part any) map[string]Digest {
	named := refs{}
	v := reflect.New(reflect.TypeOf(part))
	v.Elem().Set(reflect.ValueOf(part))
	named.locate("", v) // whether it may be trusted was said when it was loaded
	for path := range named.loaded {
		named.loaded[path] = c.refs.loaded[path]
	}
	return named.loaded
}

// LookAt returns what the files hold now.
func LookAt(files map[string]Digest) map[string]Digest {
	now := make(map[string]Digest, len(files))
	for path := range files {
		now[path] = digestOf(path)
	}
	return now
}

func digestOf(path string) Digest {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // reading a pipe would empty it
		return Digest{}
	}
	f, err := os.Open(path)
	if err != nil {
		return Digest{}
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxFile+1)); err != nil {
		return Digest{}
	}
	return Digest(sum.Sum(nil))
}

// SameSection reports whether two stores are the same place of the same product:
// whether a store that was opened by the one is as one that is opened by the other.
func (s *Store) SameSection(other *Store) bool {
	return s.Backend == other.Backend && reflect.DeepEqual(s.Sections, other.Sections) && maps.Equal(s.refs.loaded, other.refs.loaded)
}

// SameSettings reports whether two stores differ in nothing but their sections.
func (s *Store) SameSettings(other *Store) bool {
	a, b := *s, *other
	a.Sections, b.Sections, a.refs, b.refs = nil, nil, nil, nil
	return reflect.DeepEqual(a, b)
}

// saw remembers what a file held when it was read first.
func (r *refs) saw(path string, digest Digest) {
	if _, known := r.loaded[path]; known {
		return
	}
	if r.loaded == nil {
		r.loaded = map[string]Digest{}
	}
	r.loaded[path] = digest
}
