package huawei

import (
	"crypto/rand"
	"math/big"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// The vendor documents the default length alone; the bounds are ours.
const (
	defaultPassword = 32
	maxPassword     = 4096
)

type passwordBody struct {
	Policy             string `json:"password_policy_name"`
	Length             *int   `json:"length"`
	Exclude            string `json:"exclude_characters"`
	ExcludeLower       bool   `json:"exclude_lowercase"`
	ExcludeUpper       bool   `json:"exclude_uppercase"`
	ExcludeNumbers     bool   `json:"exclude_numbers"`
	ExcludePunctuation bool   `json:"exclude_punctuation"`
	Space              bool   `json:"include_space"`
	RequireEach        *bool  `json:"require_each_included_type"`
}

type passwordAnswer struct {
	Password string `json:"password"`
}

func (a *api) generatePassword(r *request) (any, error) {
	var body passwordBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	password, err := body.generate()
	if err != nil {
		return nil, err
	}
	return passwordAnswer{password}, a.svc.Admit(r.call)
}

// types are the alphabets that the body leaves.
func (b *passwordBody) types() []string {
	var out []string
	for _, t := range []struct {
		in   bool
		text string
	}{
		{!b.ExcludeLower, "abcdefghijklmnopqrstuvwxyz"},
		{!b.ExcludeUpper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		{!b.ExcludeNumbers, "0123456789"},
		{!b.ExcludePunctuation, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
		{b.Space, " "},
	} {
		if !t.in {
			continue
		}
		left := strings.Map(func(c rune) rune {
			if strings.ContainsRune(b.Exclude, c) {
				return -1
			}
			return c
		}, t.text)
		if left != "" {
			out = append(out, left)
		}
	}
	return out
}

// generate draws one of each type first, unless told not to, and shuffles.
func (b *passwordBody) generate() (string, error) {
	length, types := defaultPassword, b.types()
	if b.Length != nil {
		length = *b.Length
	}
	var out []byte
	if b.RequireEach == nil || *b.RequireEach {
		for _, t := range types {
			out = append(out, t[draw(len(t))])
		}
	}
	all := strings.Join(types, "")
	switch {
	case b.Policy != "":
		return "", secret.Errorf(secret.Invalid, "there is no such password policy")
	case length < 1 || length > maxPassword:
		return "", secret.Errorf(secret.Invalid, "length is not between 1 and %d", maxPassword)
	case all == "":
		return "", secret.Errorf(secret.Invalid, "every character is excluded")
	case length < len(out):
		return "", secret.Errorf(secret.Invalid, "length is too short for one character of each type")
	}
	for len(out) < length {
		out = append(out, all[draw(len(all))])
	}
	for i := len(out) - 1; i > 0; i-- {
		j := draw(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return string(out), nil
}

// draw returns a random number below n, each alike.
func draw(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil { // never (crypto/rand)
		panic(err)
	}
	return int(i.Int64())
}
