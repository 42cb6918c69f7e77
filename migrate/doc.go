// Package migrate moves many secrets from one store to another.
//
// A Plan is made first, and says of each secret what will be done and what will be
// lost. A Run does what a plan says and nothing else, keeps a Journal, and goes on
// from it after an interruption. A verification compares both sides afterwards.
//
// Both files are JSON lines and hold no value. The run key authenticates them:
// see docs/migrating.md.
package migrate
