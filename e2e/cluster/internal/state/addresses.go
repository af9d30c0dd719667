package state

import (
	"fmt"
	"net/netip"
)

// All clusters together stay inside 10.200.0.0/13:
//
//	10.200.N.0/24          link between the host (.1) and the cluster (.2)
//	10.201.N.0/24          pods
//	10.204.0.0/14 + N*1024 services, a /22 each
//
// Every block is a cluster's own, so the host has a route to the pods and services of each of
// several clusters at once.

// MaxSubnet is the highest subnet number; the lowest is 1.
const MaxSubnet = 254

// rangeBits is the prefix length of the range that holds all clusters.
const rangeBits = 13

// servicesPerCluster is the size of a service block, a /22.
const servicesPerCluster = 1024

// HostIP is the host's end of the link.
func (c *Cluster) HostIP() netip.Addr { return netip.AddrFrom4([4]byte{10, 200, byte(c.Subnet), 1}) }

// NodeIP is the cluster's end of the link, where the API server listens.
func (c *Cluster) NodeIP() netip.Addr { return netip.AddrFrom4([4]byte{10, 200, byte(c.Subnet), 2}) }

// LinkCIDR is the network of the link.
func (c *Cluster) LinkCIDR() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 200, byte(c.Subnet), 0}), 24)
}

// PodCIDR is the network of the pods.
func (c *Cluster) PodCIDR() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 201, byte(c.Subnet), 0}), 24)
}

// ServiceCIDR is the network of the services.
func (c *Cluster) ServiceCIDR() netip.Prefix {
	return netip.PrefixFrom(c.service(0), 22)
}

// APIServiceIP is the address of the Service default/kubernetes, the first of the service network.
func (c *Cluster) APIServiceIP() netip.Addr { return c.service(1) }

// DNSServiceIP is the address of the cluster's DNS, the tenth of the service network.
func (c *Cluster) DNSServiceIP() netip.Addr { return c.service(10) }

func (c *Cluster) service(offset int) netip.Addr {
	index := c.Subnet*servicesPerCluster + offset
	return netip.AddrFrom4([4]byte{10, 204 + byte(index>>16), byte(index >> 8), byte(index)})
}

// Networks are all networks of the cluster.
func (c *Cluster) Networks() []netip.Prefix {
	return []netip.Prefix{c.LinkCIDR(), c.PodCIDR(), c.ServiceCIDR()}
}

// Link is the name of the host's end of the link.
func (c *Cluster) Link() string { return fmt.Sprintf("mw%d", c.Subnet) }

// PeerLink is the name of the cluster's end until it is inside the cluster.
func (c *Cluster) PeerLink() string { return c.Link() + "p" }

// Cgroup is the name of the cluster's directory at the root of every cgroup hierarchy.
func (c *Cluster) Cgroup() string { return fmt.Sprintf("millwright-%d", c.Subnet) }

// Server is the URL of the API server, reachable from the host.
func (c *Cluster) Server() string { return fmt.Sprintf("https://%s:6443", c.NodeIP()) }

// ChooseSubnet returns the lowest subnet number that is not taken and whose networks overlap none
// of those in use on the host.
func ChooseSubnet(taken map[int]bool, inUse []netip.Prefix) (int, error) {
	for n := 1; n <= MaxSubnet; n++ {
		if !taken[n] && subnetFree(n, inUse) == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("no free subnet: all of 1 to %d are taken by other clusters or overlap a route of this machine inside 10.200.0.0/13; remove clusters with: devcluster down --all", MaxSubnet)
}

// CheckSubnet says why subnet n, asked for by the user, cannot be used.
func CheckSubnet(n int, taken map[int]bool, inUse []netip.Prefix) error {
	if n < 1 || n > MaxSubnet {
		return fmt.Errorf("subnet %d: use a number from 1 to %d", n, MaxSubnet)
	}
	if taken[n] {
		return fmt.Errorf("subnet %d is taken by another cluster: see devcluster status", n)
	}
	return subnetFree(n, inUse)
}

func subnetFree(n int, inUse []netip.Prefix) error {
	candidate := Cluster{Subnet: n}
	for _, network := range candidate.Networks() {
		for _, used := range inUse {
			// A route wider than the whole range, such as 10.0.0.0/8 of a large network or the
			// default route, is no conflict: the cluster's own routes are more specific.
			if used.Bits() >= rangeBits && network.Overlaps(used) {
				return fmt.Errorf("subnet %d: %s overlaps %s, which this machine already has an address in or a route to", n, network, used)
			}
		}
	}
	return nil
}
