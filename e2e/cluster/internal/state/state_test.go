package state

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesOfDifferentClustersNeverOverlap(t *testing.T) {
	whole := netip.MustParsePrefix("10.200.0.0/13")
	var seen []netip.Prefix
	for n := 1; n <= MaxSubnet; n++ {
		cluster := Cluster{Subnet: n}
		for _, network := range cluster.Networks() {
			if network != network.Masked() {
				t.Fatalf("subnet %d: %s has host bits set", n, network)
			}
			if !whole.Contains(network.Addr()) {
				t.Fatalf("subnet %d: %s is outside %s", n, network, whole)
			}
			for _, other := range seen {
				if network.Overlaps(other) {
					t.Fatalf("subnet %d: %s overlaps %s", n, network, other)
				}
			}
		}
		for _, address := range []netip.Addr{cluster.APIServiceIP(), cluster.DNSServiceIP()} {
			if !cluster.ServiceCIDR().Contains(address) {
				t.Fatalf("subnet %d: %s is outside the service network %s", n, address, cluster.ServiceCIDR())
			}
		}
		seen = append(seen, cluster.Networks()...)
	}
}

func TestChooseSubnetSkipsTakenAndOverlapping(t *testing.T) {
	inUse := []netip.Prefix{
		netip.MustParsePrefix("10.201.2.7/32"),
		netip.MustParsePrefix("10.204.12.0/24"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("0.0.0.0/0"),
	}
	n, err := ChooseSubnet(map[int]bool{1: true}, inUse)
	if err != nil {
		t.Fatal(err)
	}
	if n != 4 {
		t.Errorf("chose %d, want 4: 1 is taken, 2 overlaps a pod address, 3 overlaps a service network", n)
	}
}

func TestChooseSubnetSaysWhenNoneIsFree(t *testing.T) {
	_, err := ChooseSubnet(nil, []netip.Prefix{netip.MustParsePrefix("10.200.0.0/13")})
	if err == nil || !strings.Contains(err.Error(), "10.200.0.0/13") {
		t.Errorf("got %v, want an error that names the range", err)
	}
}

func TestCheckSubnet(t *testing.T) {
	for _, test := range []struct {
		n    int
		want string
	}{
		{0, "from 1 to 254"},
		{255, "from 1 to 254"},
		{5, "taken by another cluster"},
		{6, "10.200.6.0/24 overlaps 10.200.0.0/16"},
	} {
		err := CheckSubnet(test.n, map[int]bool{5: true}, []netip.Prefix{netip.MustParsePrefix("10.200.0.0/16")})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("subnet %d: got %v, want %q", test.n, err, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "-a", "a-", "A", "a_b", "a/b", "..", strings.Repeat("a", 41)} {
		if _, err := New("/home", name); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	for _, name := range []string{"a", "dev", "test-2", strings.Repeat("a", 40)} {
		if _, err := New("/home", name); err != nil {
			t.Errorf("name %q was refused: %v", name, err)
		}
	}
}

func TestSaveLoadList(t *testing.T) {
	home := t.TempDir()
	if _, err := Load(home, "dev"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Load of a missing cluster: got %v, want fs.ErrNotExist", err)
	}
	cluster, err := New(home, "dev")
	if err != nil {
		t.Fatal(err)
	}
	cluster.Subnet, cluster.Audit = 7, true
	if err := cluster.Save(); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(home, "dev")
	if err != nil {
		t.Fatal(err)
	}
	if *loaded != *cluster {
		t.Errorf("loaded %+v, want %+v", loaded, cluster)
	}
	names, err := List(home)
	if err != nil || len(names) != 1 || names[0] != "dev" {
		t.Errorf("List: %v, %v", names, err)
	}
}
