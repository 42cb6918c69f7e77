// Package pemfile reads certificates and keys in PEM, as editors, shells and other
// tools save them, and says of what is not usable what it is and what makes it so.
package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/vaultferry/vaultferry/internal/textfile"
)

const certificateType = "CERTIFICATE"

// Read returns the text of the file. What is no PEM comes back as it is.
func Read(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text, err := textfile.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return text, nil
}

// AddTo adds the certificates of the file to the pool. It fails where there is none.
func AddTo(pool *x509.CertPool, file string) error {
	text, err := Read(file)
	if err != nil {
		return err
	}
	return AddText(pool, file, text)
}

// AddText is AddTo of what was read of the file.
func AddText(pool *x509.CertPool, file string, text []byte) error {
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate%s", file, instead(file, text))
	}
	return nil
}

// Certificates are those in the file that can be read, in its order.
func Certificates(file string) ([]*x509.Certificate, error) {
	text, err := Read(file)
	if err != nil {
		return nil, err
	}
	return Parse(text), nil
}

// Parse is Certificates of a text.
func Parse(text []byte) (all []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != certificateType {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// Pair reads a certificate, with its chain behind it, and its private key. Both may
// be in one file.
func Pair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := Read(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := Read(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, notAPair(certFile, keyFile, cert, key, err)
	}
	return pair, nil
}

// notAPair says what crypto/tls does not: which of the files it is, and what to do.
func notAPair(certFile, keyFile string, cert, key []byte, err error) error {
	chain := Parse(cert)
	if len(chain) == 0 {
		return fmt.Errorf("%s holds no certificate%s", certFile, instead(certFile, cert))
	}
	switch block := keyBlock(key); {
	case block == nil:
		return fmt.Errorf("%s holds no private key%s", keyFile, instead(keyFile, key))
	case encrypted(block):
		return fmt.Errorf("the private key in %s is encrypted with a passphrase, which nothing asks for here: openssl pkey -in %s makes one without", keyFile, keyFile)
	}
	for i, c := range chain[1:] {
		own := pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: c.Raw})
		if _, err := tls.X509KeyPair(own, key); err == nil {
			return fmt.Errorf("certificate %d in %s is the one of the private key: it must be first, and the chain behind it", i+2, certFile)
		}
	}
	return fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
}

// keyBlock is the one that crypto/tls takes for the private key.
func keyBlock(text []byte) *pem.Block {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY") {
			return block
		}
	}
	return nil
}

func encrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
}

// instead says what the file holds in the place of PEM, if that can be told.
func instead(file string, text []byte) string {
	var der asn1.RawValue
	rest, err := asn1.Unmarshal(text, &der)
	isDER := err == nil && len(rest) == 0 && der.Tag == asn1.TagSequence
	_, certErr := x509.ParseCertificate(text)
	block, _ := pem.Decode(text)
	switch {
	case certErr == nil:
		return ": it is in DER, and PEM is wanted, which openssl x509 -inform der -in " + file + " makes"
	case isDER && isPFX(der.Bytes):
		return ": it is PKCS#12, and PEM is wanted, which openssl pkcs12 -nodes -in " + file + " makes"
	case isDER:
		return ": it is in DER, and PEM is wanted"
	case block != nil:
		return ": it holds a " + block.Type
	case len(text) == 0:
		return ": it is empty"
	}
	return ": it is no PEM, which has a line -----BEGIN ...----- without blanks before it"
}

// isPFX: a PFX begins with its version, which is 3.
func isPFX(inside []byte) bool {
	var version int
	_, err := asn1.Unmarshal(inside, &version)
	return err == nil && version == 3
}
