package backup

import (
	"encoding/json"
	"errors"

	"github.com/vaultferry/vaultferry/secret"
)

// AccessKey is a pair of an access key's id and secret, and the caller that it
// is for.
type AccessKey struct {
	Caller, ID string
	Secret     secret.Value
}

// accessKey is its plaintext.
type accessKey struct {
	Caller string `json:"caller"`
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// SealAccessKey seals a key as configurations hold it. No blob and no session
// can be opened in its place. Kind: Unsupported.
func (k *Keyring) SealAccessKey(key AccessKey) (string, error) {
	plain, err := json.Marshal(accessKey{key.Caller, key.ID, string(key.Secret.Reveal())}) //nolint:gosec // G117: it is sealed at once
	if err != nil {
		return "", &secret.Error{Kind: secret.Internal, Op: "backup.seal", Err: err}
	}
	return k.sealAs(plain, typeAccessKey)
}

// OpenAccessKey opens what any SealAccessKey of this keyring made, or fails:
// NoKey, Corrupt; Unsupported where the keyring can open nothing.
func (k *Keyring) OpenAccessKey(sealed string) (AccessKey, error) {
	if !k.CanOpen() {
		return AccessKey{}, secret.Errorf(secret.Unsupported, "this keyring can seal and not open, so it cannot read a sealed access key")
	}
	plain, err := k.open([]byte(sealed), typeAccessKey)
	if e, ok := errors.AsType[*notHeld](err); ok {
		return AccessKey{}, secret.Errorf(secret.NoKey, "its key is %s", e.Error())
	}
	if err != nil {
		return AccessKey{}, &secret.Error{Kind: secret.Corrupt, Detail: "it is no access key that this keyring sealed", Err: err}
	}
	var in accessKey
	if json.Unmarshal(plain, &in) != nil || in.ID == "" || in.Secret == "" { // what a decoder says may quote the secret
		return AccessKey{}, secret.Errorf(secret.Corrupt, "what is sealed is no access key")
	}
	return AccessKey{Caller: in.Caller, ID: in.ID, Secret: secret.TextValue(in.Secret)}, nil
}
