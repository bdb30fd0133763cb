package lan

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

const up = net.FlagUp | net.FlagBroadcast | net.FlagMulticast | net.FlagRunning

func at(name string, flags net.Flags, addresses ...string) Interface {
	i := Interface{Name: name, Flags: flags}
	for _, a := range addresses {
		i.Addresses = append(i.Addresses, netip.MustParseAddr(a))
	}
	return i
}

func TestChoose(t *testing.T) {
	lo := at("lo", net.FlagUp|net.FlagLoopback, "127.0.0.1", "::1", "10.255.255.1")
	docker := []Interface{
		at("docker0", up, "172.17.0.1"), at("br-3f2a9c1d77aa", up, "172.18.0.1"), at("veth12ab", up, "fe80::1", "172.31.0.1"),
		at("virbr0", up, "192.168.122.1"), at("vmnet8", up, "192.168.56.1"), at("lxdbr0", up, "fd42::1"),
	}
	for name, test := range map[string]struct {
		interfaces []Interface
		preferred  string // empty for no default route
		want       []string
	}{
		"nothing at all": {},
		"no network":     {interfaces: []Interface{lo}},
		"a home": {
			[]Interface{lo, at("wlan0", up, "192.168.178.23", "2001:db8::17", "fd00::17", "fe80::17")},
			"192.168.178.23",
			[]string{"192.168.178.23", "fd00::17"},
		},
		"cable and wireless, the route by the latter": {
			[]Interface{lo, at("eth0", up, "10.0.0.7"), at("wlan0", up, "192.168.1.7")},
			"192.168.1.7",
			[]string{"192.168.1.7", "10.0.0.7"},
		},
		"cable and wireless without a route": {
			[]Interface{lo, at("eth0", up, "fd00::7", "10.0.0.7"), at("wlan0", up, "192.168.1.7")},
			"",
			[]string{"10.0.0.7", "192.168.1.7", "fd00::7"},
		},
		"a route that is not private": {
			[]Interface{lo, at("eth0", up, "203.0.113.5"), at("eth1", up, "10.0.0.7")},
			"203.0.113.5",
			[]string{"10.0.0.7"},
		},
		"nothing private":             {[]Interface{lo, at("eth0", up, "203.0.113.5", "2001:db8::5")}, "203.0.113.5", nil},
		"link-local only":             {[]Interface{lo, at("eth0", up, "169.254.3.4", "fe80::5")}, "", nil},
		"an interface that is down":   {[]Interface{lo, at("eth0", up&^net.FlagUp, "10.0.0.7")}, "", nil},
		"containers":                  {append(docker, lo, at("eth0", up, "10.0.0.7")), "10.0.0.7", []string{"10.0.0.7"}},
		"containers alone":            {append(docker, lo), "", nil},
		"a VPN that takes everything": {[]Interface{lo, at("tun0", up|net.FlagPointToPoint, "10.8.0.2"), at("eth0", up, "10.0.0.7")}, "10.8.0.2", []string{"10.0.0.7"}},
		"in a container":              {[]Interface{lo, at("eth0", up, "172.17.0.2")}, "172.17.0.2", []string{"172.17.0.2"}},
		"a bridge of one's own":       {[]Interface{lo, at("br0", up, "192.168.1.7"), at("eth0", up)}, "", []string{"192.168.1.7"}},
		"a bridge by which the route goes": {
			append(docker, at("br-1a", up, "192.168.1.7")),
			"192.168.1.7",
			[]string{"192.168.1.7"},
		},
		"an address twice": {[]Interface{at("eth0", up, "10.0.0.7"), at("eth1", up, "10.0.0.7")}, "", []string{"10.0.0.7"}},
		"odd spellings":    {[]Interface{at("eth0", up, "::ffff:10.0.0.7", "fd00::7%eth0")}, "", []string{"10.0.0.7", "fd00::7"}},
	} {
		t.Run(name, func(t *testing.T) {
			var preferred netip.Addr
			if test.preferred != "" {
				preferred = netip.MustParseAddr(test.preferred)
			}
			var got []string
			for _, a := range Choose(test.interfaces, preferred) {
				got = append(got, a.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// On whatever machine this is: addresses that could be this one's, or a word about it.
func TestAddresses(t *testing.T) {
	addresses, err := Addresses()
	if err != nil {
		if !errors.Is(err, ErrNoAddress) || len(addresses) > 0 {
			t.Errorf("%v, and %v", err, addresses)
		}
		return
	}
	if len(addresses) == 0 {
		t.Error("neither an address nor an error")
	}
	for _, a := range addresses {
		if !a.IsPrivate() {
			t.Errorf("%v is not private", a)
		}
	}
}
