package lan

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
)

// ErrNoAddress is the error of [Addresses] when nobody else could reach this machine.
var ErrNoAddress = errors.New("this machine has no private address, such as 192.168.1.5, on a network that is up")

// Interface is what counts of a [net.Interface].
type Interface struct {
	Name      string
	Flags     net.Flags
	Addresses []netip.Addr
}

// Addresses are the private addresses at which others in the same network reach this machine, the likeliest first; at
// least one if there is no error.
func Addresses() ([]netip.Addr, error) {
	interfaces, err := list()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	addresses := Choose(interfaces, defaultSource())
	if len(addresses) == 0 {
		return nil, ErrNoAddress
	}
	return addresses, nil
}

func list() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	interfaces := make([]Interface, 0, len(all))
	for _, i := range all {
		nets, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		found := Interface{Name: i.Name, Flags: i.Flags}
		for _, n := range nets {
			if prefix, err := netip.ParsePrefix(n.String()); err == nil {
				found.Addresses = append(found.Addresses, prefix.Addr())
			}
		}
		interfaces = append(interfaces, found)
	}
	return interfaces, nil
}

// defaultSource is the address from which this machine speaks to the rest of the world; none if it cannot. Connecting UDP
// only looks up the route, nothing is sent. The address that is looked up is nobody's: RFC 5737.
func defaultSource() netip.Addr {
	conn, err := net.Dial("udp4", "198.51.100.1:9")
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return local.Addr()
}

// virtual are names of interfaces on which there is nobody but containers and virtual machines of this machine's own.
var virtual = regexp.MustCompile(`^(docker|br-[0-9a-f]|veth|virbr|podman|cni|flannel|cali|lxc|lxd|incus|vboxnet|vmnet|vnet|bridge1|vEthernet)`)

// Choose picks from interfaces the private addresses (RFC 1918, RFC 4193) that a phone in the same network could reach:
// first preferred, if it is among them, then those of IPv4. Interfaces that lead to one peer only, such as a VPN, are left
// out, and so are those that lead nowhere but to containers, unless preferred is one's address: a host of virtual machines
// has its own network on a bridge.
func Choose(interfaces []Interface, preferred netip.Addr) []netip.Addr {
	var chosen []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 ||
			virtual.MatchString(i.Name) && !slices.Contains(i.Addresses, preferred) {
			continue
		}
		for _, a := range i.Addresses {
			if a = a.Unmap().WithZone(""); a.IsPrivate() && !slices.Contains(chosen, a) {
				chosen = append(chosen, a)
			}
		}
	}
	rank := func(a netip.Addr) int {
		switch {
		case a == preferred:
			return 0
		case a.Is4():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(chosen, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	return chosen
}
