package supervisor

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"devcluster/internal/config"
	"devcluster/internal/state"
)

// readiness checks what components wait for.
type readiness struct {
	client *http.Client
}

func newReadiness(cluster *state.Cluster) (*readiness, error) {
	authority, err := os.ReadFile(cluster.PKI("ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", cluster.PKI("ca.crt"))
	}
	return &readiness{client: &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}}, nil
}

// check returns nil when the condition holds, and otherwise why not.
func (r *readiness) check(condition config.Condition) error {
	switch condition {
	case config.ContainerdListens:
		return listens(config.ContainerdSocket)
	case config.APIServerReady:
		response, err := r.client.Get("https://127.0.0.1:6443/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", response.Status)
		}
		return nil
	default:
		return fmt.Errorf("unknown condition %q", condition)
	}
}
