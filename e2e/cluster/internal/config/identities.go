package config

import (
	"net/netip"

	"devcluster/internal/pki"
	"devcluster/internal/state"
)

// identity says which kubeconfig or certificate is made for whom.
type identity struct {
	pki.Identity
	// kubeconfig is where to write a kubeconfig, none when empty.
	kubeconfig string
	// pair is the base name of certificate and key in the PKI directory, none when empty.
	pair string
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// identities lists everyone who speaks to the API server, each as itself, so that RBAC, the Node
// authorizer and the audit log tell them apart.
func identities(cluster *state.Cluster) []identity {
	list := []identity{
		{
			Identity:   pki.Identity{CommonName: "admin", Organizations: []string{"system:masters"}},
			kubeconfig: cluster.Kubeconfig(),
		},
		{
			Identity: pki.Identity{
				CommonName: "kube-apiserver",
				DNSNames:   []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
				IPs:        []netip.Addr{loopback, cluster.NodeIP(), cluster.APIServiceIP()},
			},
			pair: "apiserver",
		},
		{
			Identity:   pki.Identity{CommonName: "system:kube-controller-manager"},
			kubeconfig: cluster.ComponentKubeconfig(ControllerManager),
		},
		{
			Identity:   pki.Identity{CommonName: "system:kube-scheduler"},
			kubeconfig: cluster.ComponentKubeconfig(Scheduler),
		},
	}
	if cluster.ControlPlaneOnly {
		return list
	}
	return append(list,
		identity{
			Identity: pki.Identity{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}},
			pair:     "apiserver-kubelet-client",
		},
		identity{
			Identity: pki.Identity{
				CommonName:    "system:node:" + state.NodeName,
				Organizations: []string{"system:nodes"},
				DNSNames:      []string{state.NodeName},
				IPs:           []netip.Addr{cluster.NodeIP(), loopback},
			},
			pair:       "kubelet",
			kubeconfig: cluster.ComponentKubeconfig(Kubelet),
		},
		identity{
			Identity:   pki.Identity{CommonName: "system:kube-proxy"},
			kubeconfig: cluster.ComponentKubeconfig(Proxy),
		},
		identity{
			Identity:   pki.Identity{CommonName: ProvisionerUser},
			kubeconfig: cluster.ComponentKubeconfig(Provisioner),
		},
	)
}

// WriteIdentities makes a new authority, all certificates and all kubeconfigs of a cluster.
func WriteIdentities(cluster *state.Cluster) error {
	authority, err := pki.NewAuthority("devcluster " + cluster.Name)
	if err != nil {
		return err
	}
	private, public, err := pki.NewSigningKey()
	if err != nil {
		return err
	}
	// Another authority, because whoever has a certificate of this one may claim to be anyone.
	frontProxyAuthority, err := pki.NewAuthority("devcluster front-proxy " + cluster.Name)
	if err != nil {
		return err
	}
	frontProxy, err := frontProxyAuthority.Issue(pki.Identity{CommonName: frontProxyUser})
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"ca.crt":                 authority.CertificatePEM,
		"ca.key":                 authority.KeyPEM,
		"front-proxy-ca.crt":     frontProxyAuthority.CertificatePEM,
		"front-proxy-client.crt": frontProxy.Certificate,
		"front-proxy-client.key": frontProxy.Key,
		"service-account.key":    private,
		"service-account.pub":    public,
	}
	for _, identity := range identities(cluster) {
		pair, err := authority.Issue(identity.Identity)
		if err != nil {
			return err
		}
		if identity.pair != "" {
			files[identity.pair+".crt"] = pair.Certificate
			files[identity.pair+".key"] = pair.Key
		}
		if identity.kubeconfig != "" {
			content, err := pki.Kubeconfig(cluster.Name, cluster.Server(), identity.CommonName, authority.CertificatePEM, pair)
			if err != nil {
				return err
			}
			if err := writeFile(identity.kubeconfig, content); err != nil {
				return err
			}
		}
	}
	return pki.Write(cluster.Path("pki"), files)
}
