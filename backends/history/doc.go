// Package history is the rules of the model: ordinals, ids, times, roles and
// labels of a secret's versions, what a draft or a patch makes of them, and
// which version gives way where room ends. It does no I/O.
package history
