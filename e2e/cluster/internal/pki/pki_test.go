package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	authority, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func parse(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatal("no PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestClientCertificate(t *testing.T) {
	authority := newAuthority(t)
	pair, err := authority.Issue(Identity{CommonName: "system:node:node-1", Organizations: []string{"system:nodes"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(pair.Certificate, pair.Key); err != nil {
		t.Fatalf("key does not belong to certificate: %v", err)
	}
	certificate := parse(t, pair.Certificate)
	if certificate.Subject.CommonName != "system:node:node-1" || len(certificate.Subject.Organization) != 1 || certificate.Subject.Organization[0] != "system:nodes" {
		t.Errorf("subject is %s", certificate.Subject)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertificatePEM)
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("as a client: %v", err)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a certificate without addresses is accepted as a serving certificate")
	}
}

func TestServingCertificate(t *testing.T) {
	authority := newAuthority(t)
	pair, err := authority.Issue(Identity{CommonName: "kube-apiserver", DNSNames: []string{"kubernetes.default.svc"}, IPs: []netip.Addr{netip.MustParseAddr("10.200.3.2")}})
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, pair.Certificate)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertificatePEM)
	for _, host := range []string{"kubernetes.default.svc", "10.200.3.2"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("host %s: %v", host, err)
		}
	}
	if err := certificate.VerifyHostname("10.200.3.3"); err == nil {
		t.Error("accepted for an address that it does not name")
	}
}

func TestSigningKeyPairMatches(t *testing.T) {
	private, public, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	privateBlock, _ := pem.Decode(private)
	key, err := x509.ParseECPrivateKey(privateBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	publicBlock, _ := pem.Decode(public)
	parsed, err := x509.ParsePKIXPublicKey(publicBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(parsed) {
		t.Error("the public key is not that of the private key")
	}
}

func TestKubeconfigIsWhole(t *testing.T) {
	authority := newAuthority(t)
	pair, err := authority.Issue(Identity{CommonName: "admin", Organizations: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	content, err := Kubeconfig("dev", "https://10.200.1.2:6443", "admin", authority.CertificatePEM, pair)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://10.200.1.2:6443" || len(config.CAData) == 0 || len(config.CertData) == 0 || len(config.KeyData) == 0 {
		t.Errorf("incomplete: %+v", config)
	}
}

func TestWriteKeepsKeysPrivate(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "pki")
	if err := Write(directory, map[string][]byte{"ca.key": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{directory: 0o700, filepath.Join(directory, "ca.key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}
