package access

import (
	"slices"
	"strings"
)

// everyAction is the word for all of them.
const everyAction = "*"

// aliases are the words of the vendors for what the gateway's actions are. A role
// of Key Vault may do what its data actions name. Of Huawei's actions, get
// covers the download of a backup and create the upload, as the vendor has it.
var aliases = map[string][]Action{
	"Key Vault Reader":          {List},
	"Key Vault Secrets User":    {Get, List},
	"Key Vault Secrets Officer": Actions(),

	"csms:secret:create": {Set, Restore}, "csms:secret:get": {List, Backup}, "csms:secret:list": {List},
	"csms:secret:update": {Update}, "csms:secret:delete": {Delete, Purge},
	"csms:secret:scheduleDeletion": {Delete}, "csms:secret:deleteScheduled": {Delete},
	"csms:secret:restoreSecret": {Recover}, "csms:secret:deleteCancelled": {Recover},

	"csms:secret:createVersion": {Set}, "csms:secretVersion:create": {Set},
	"csms:secret:getVersion": {Get}, "csms:secretVersion:get": {Get},
	"csms:secret:batchGetSecretValue": {Get}, "csms:secretVersion:batchGetSecretValue": {Get},
	"csms:secret:listVersion": {List}, "csms:secretVersion:list": {List},
	"csms:secret:updateVersion": {Update}, "csms:secretVersion:update": {Update},

	"csms:secret:getStage": {List}, "csms:secretStage:get": {List},
	"csms:secret:createStage": {Update}, "csms:secretStage:create": {Update},
	"csms:secret:updateStage": {Update}, "csms:secretStage:update": {Update},
	"csms:secret:deleteStage": {Update}, "csms:secretStage:delete": {Update},

	"csms:secret:createTag": {Update}, "csms:tag:create": {Update},
	"csms:secret:deleteTag": {Update}, "csms:tag:delete": {Update},
	"csms:secret:batchCreateOrDeleteTags": {Update}, "csms:tag:batch": {Update},
	"csms:secret:listTags": {List}, "csms:tag:getBySecret": {List},
	"csms:secret:getSecretsByTag": {List}, "csms:tag:getSecretByTag": {List},

	"csms::createEvent": {Update}, "csms:event:create": {Update},
}

// Words lists all that a rule may allow: "*", the actions, and the vendors' words
// for them.
func Words() []string {
	words := []string{everyAction}
	for _, a := range Actions() {
		words = append(words, string(a))
	}
	known := len(words)
	for w := range aliases {
		words = append(words, w)
		if short, ok := strings.CutPrefix(w, "Key Vault "); ok {
			words = append(words, short)
		}
	}
	slices.Sort(words[known:])
	return words
}

// Meaning returns the actions that a word of a rule stands for; none, if it is no
// such word. Roles of Key Vault may be written without "Key Vault".
func Meaning(word string) []Action {
	if word == everyAction {
		return Actions()
	}
	if slices.Contains(Actions(), Action(word)) {
		return []Action{Action(word)}
	}
	if of, ok := aliases[word]; ok {
		return slices.Clone(of)
	}
	return slices.Clone(aliases["Key Vault "+word])
}

// actionSet is a set of actions.
type actionSet uint16

var allActions = func() (all actionSet) {
	for _, a := range Actions() {
		all |= setOf(a)
	}
	return all
}()

var actionBits = func() map[Action]actionSet {
	bits := map[Action]actionSet{}
	for i, a := range Actions() {
		bits[a] = 1 << i
	}
	return bits
}()

func setOf(a Action) actionSet { return actionBits[a] }

func meaningOf(words []string) (all actionSet) {
	for _, w := range words {
		for _, a := range Meaning(w) {
			all |= setOf(a)
		}
	}
	return all
}
