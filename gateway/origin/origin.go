// Package origin decides which web pages may connect. Browsers attach a page's origin (RFC 6454) to its WebSocket
// handshakes and let nobody forge it, so this keeps strangers' pages from acting for our visitors. It keeps nobody else
// out: what is no browser says what it likes.
package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Rules is a list of origins, besides the default ones, from which pages may connect.
type Rules struct {
	all     bool
	allowed []string
}

// UnmarshalText takes origins such as https://app.example.org or http://10.0.0.5:8080, separated by commas, or * for
// all.
func (r *Rules) UnmarshalText(text []byte) error {
	var rules Rules
	for o := range strings.SplitSeq(string(text), ",") {
		o = strings.TrimSpace(o)
		switch o {
		case "":
			continue
		case "*":
			rules.all = true
			continue
		}
		o = strings.ToLower(o)
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Hostname() == "" || o != u.Scheme+"://"+u.Host || strings.Contains(u.Host, "*") {
			return fmt.Errorf("origin %q: want scheme://host[:port], or *", o)
		}
		if port, ok := defaultPorts[u.Scheme]; ok {
			o = strings.TrimSuffix(o, port) // as browsers have it
		}
		rules.allowed = append(rules.allowed, o)
	}
	*r = rules
	return nil
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// Allows gives the verdict on a request: yes for no Origin (not a browser), for the origin that the request went to, for
// any port of this machine itself, and for what the rules list; no for everything else, "null" included.
func (r Rules) Allows(req *http.Request) bool {
	header := req.Header.Values("Origin")
	if len(header) == 0 || r.all {
		return true
	}
	if len(header) > 1 {
		return false
	}
	u, err := url.Parse(header[0])
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return slices.Contains(r.allowed, strings.ToLower(header[0]))
	}
	return strings.EqualFold(u.Host, req.Host) || isLocal(u.Hostname()) ||
		slices.Contains(r.allowed, strings.ToLower(header[0]))
}

func isLocal(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && (ip.Equal(net.IPv4(127, 0, 0, 1)) || ip.Equal(net.IPv6loopback))
}
