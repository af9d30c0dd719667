// Package pki makes the certificates, keys and kubeconfigs of one cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Validity of everything made here. A cluster for development does not live longer, and there is
// no renewal.
const validity = 5 * 365 * 24 * time.Hour

// clockSkew lets certificates be used by a process whose clock is a little behind.
const clockSkew = 5 * time.Minute

// Identity is who a certificate stands for.
type Identity struct {
	// CommonName becomes the user name, Organizations become its groups.
	CommonName    string
	Organizations []string
	// DNSNames and IPs make it a serving certificate as well.
	DNSNames []string
	IPs      []netip.Addr
}

// Authority is a certificate authority that was made by NewAuthority.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// CertificatePEM is the authority's own certificate.
	CertificatePEM []byte
	// KeyPEM is its private key.
	KeyPEM []byte
}

// Pair is a certificate and its private key, PEM-encoded.
type Pair struct {
	Certificate []byte
	Key         []byte
}

// NewAuthority makes a self-signed authority.
func NewAuthority(commonName string) (*Authority, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(Identity{CommonName: commonName})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority %s: %w", commonName, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate: certificate, key: key, CertificatePEM: encode("CERTIFICATE", der), KeyPEM: keyPEM}, nil
}

// Issue makes a key and a certificate for an identity. It is a client certificate, and a serving
// certificate too when the identity has addresses.
func (a *Authority) Issue(identity Identity) (Pair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template, err := newTemplate(identity)
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(identity.DNSNames)+len(identity.IPs) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: %w", identity.CommonName, err)
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: keyPEM}, nil
}

// NewSigningKey makes the key pair that signs service account tokens: the private key and the
// public key, PEM-encoded.
func NewSigningKey() (private, public []byte, err error) {
	key, private, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	return private, encode("PUBLIC KEY", der), nil
}

// Write stores files in a directory that only root may enter, replacing what is there.
func Write(directory string, files map[string][]byte) error {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encode("EC PRIVATE KEY", der), nil
}

func newTemplate(identity Identity) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: identity.CommonName, Organization: identity.Organizations},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(validity),
		DNSNames:     identity.DNSNames,
	}
	for _, ip := range identity.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	return template, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
