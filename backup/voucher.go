package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// typeVoucher is that of the signature of a Voucher.
const typeVoucher = "vaultferry-recipient"

// Voucher says that a holder of a keyring wrapped the keys of a repository for a
// recipient: of a key that is wrapped for an asymmetric one nothing else does.
type Voucher struct {
	Repository string `json:"repository"`
	KID        string `json:"kid"` // the recipient's
	SHA256     string `json:"sha256"`
}

// VoucherOf is the one for a wrapped key.
func VoucherOf(repository, kid, wrapped string) Voucher {
	sum := sha256.Sum256([]byte(wrapped))
	return Voucher{repository, kid, hex.EncodeToString(sum[:])}
}

// SignVoucher returns it as a compact JWS. Kind: Unsupported, where no key signs.
func (k *Keyring) SignVoucher(v Voucher) (string, error) {
	payload, _ := json.Marshal(v) // texts alone
	return k.Sign(typeVoucher, payload)
}

// ReadVoucher returns what SignVoucher signed with a key that this keyring has the
// public half of, or fails.
func (k *Keyring) ReadVoucher(jws string) (Voucher, error) {
	payload, err := Prove(k.SigningKeys(), typeVoucher, jws)
	if err != nil {
		return Voucher{}, err
	}
	var v Voucher
	if json.Unmarshal(payload, &v) != nil {
		return Voucher{}, errSignature
	}
	if again, _ := json.Marshal(v); !bytes.Equal(again, payload) {
		return Voucher{}, errSignature
	}
	return v, nil
}

// UnwrapVouched is UnwrapRepositoryKey of a key that a voucher may come with. One
// that proves nothing changes nothing.
func (k *Keyring) UnwrapVouched(wrapped, voucher string) (*RepositoryKey, error) {
	r, err := k.UnwrapRepositoryKey(wrapped)
	if err != nil || r.proved {
		return r, err
	}
	v, err := k.ReadVoucher(voucher)
	r.proved = err == nil && v == VoucherOf(r.ID(), v.KID, wrapped)
	return r, nil
}
