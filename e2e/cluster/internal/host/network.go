// Package host changes and inspects the machine outside a cluster's namespaces: links, routes,
// cgroups, processes, installed programs.
package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"devcluster/internal/state"
)

// NetworksInUse lists the networks that this machine has an address in or a route to.
func NetworksInUse() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var networks []*net.IPNet
	for _, route := range routes {
		networks = append(networks, route.Dst)
	}
	for _, address := range addresses {
		networks = append(networks, address.IPNet)
	}
	var prefixes []netip.Prefix
	for _, network := range networks {
		if network == nil {
			continue
		}
		if prefix, err := netip.ParsePrefix(network.String()); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	return prefixes, nil
}

// createLink makes the pair of links between host and cluster, both ends on the host at first. The
// error is ErrTaken when there is one of that name.
func createLink(cluster *state.Cluster) error {
	link := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: cluster.PeerLink()}
	link.Name = cluster.Link()
	err := netlink.LinkAdd(link)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("link %s: %w", link.Name, ErrTaken)
	}
	if err != nil {
		return fmt.Errorf("create link %s: %w", link.Name, err)
	}
	if err := netlink.LinkSetAlias(link, cluster.Dir()); err != nil {
		return fmt.Errorf("set the alias of link %s: %w", link.Name, err)
	}
	return nil
}

// ConnectLink moves the cluster's end into the network namespace of process pid, and gives the
// host an address and routes to pods and services.
func ConnectLink(cluster *state.Cluster, pid int) error {
	peer, err := netlink.LinkByName(cluster.PeerLink())
	if err != nil {
		return fmt.Errorf("link %s: %w", cluster.PeerLink(), err)
	}
	if err := netlink.LinkSetNsPid(peer, pid); err != nil {
		return fmt.Errorf("move link %s into the cluster: %w", cluster.PeerLink(), err)
	}
	link, err := netlink.LinkByName(cluster.Link())
	if err != nil {
		return fmt.Errorf("link %s: %w", cluster.Link(), err)
	}
	if err := addAddress(link, cluster.HostIP()); err != nil {
		return err
	}
	for _, network := range []netip.Prefix{cluster.PodCIDR(), cluster.ServiceCIDR()} {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(network), Gw: cluster.NodeIP().AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("route to %s: %w", network, err)
		}
	}
	return nil
}

// ConfigurePeer is the cluster's side: it runs in the cluster's network namespace once the peer
// has arrived there and makes it eth0 with the node's address.
func ConfigurePeer(cluster *state.Cluster) error {
	peer, err := netlink.LinkByName(cluster.PeerLink())
	if err != nil {
		return fmt.Errorf("link %s: %w", cluster.PeerLink(), err)
	}
	if err := netlink.LinkSetName(peer, "eth0"); err != nil {
		return fmt.Errorf("rename %s to eth0: %w", cluster.PeerLink(), err)
	}
	if err := addAddress(peer, cluster.NodeIP()); err != nil {
		return err
	}
	gateway := &netlink.Route{LinkIndex: peer.Attrs().Index, Gw: cluster.HostIP().AsSlice()}
	if err := netlink.RouteAdd(gateway); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("link lo: %w", err)
	}
	return netlink.LinkSetUp(loopback)
}

// PeerArrived says whether the cluster's end of the link is in this network namespace.
func PeerArrived(cluster *state.Cluster) bool {
	_, err := netlink.LinkByName(cluster.PeerLink())
	return err == nil
}

// linkOwner returns the directory of the cluster that a link belongs to. It is empty when there is no
// link, or when its creation was cut short.
func linkOwner(name string) (string, error) {
	link, err := netlink.LinkByName(name)
	if isLinkNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("link %s: %w", name, err)
	}
	return link.Attrs().Alias, nil
}

// removeLink removes the cluster's link, and with it the host's addresses and routes.
func removeLink(cluster *state.Cluster) error {
	link, err := netlink.LinkByName(cluster.Link())
	if isLinkNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", cluster.Link(), err)
	}
	// The kernel removes the link by itself once the cluster's network namespace is gone.
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("remove link %s: %w", cluster.Link(), err)
	}
	return nil
}

func isLinkNotFound(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound)
}

func addAddress(link netlink.Link, ip netip.Addr) error {
	network := ipNet(netip.PrefixFrom(ip, 24))
	network.IP = ip.AsSlice()
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: network}); err != nil {
		return fmt.Errorf("address %s: %w", ip, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up the link of %s: %w", ip, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   prefix.Masked().Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}
}
