package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"beckon/local/lan"
	"beckon/shared/service"
)

// where says where everything is.
type where struct {
	clients service.Address
	nats    string          // a URL
	ops     service.Address // empty for none
	lan     []netip.Addr    // at which others reach the clients' port; empty if they do not

	https    bool // clients come by https and wss
	selfMade bool // with a certificate that nobody else knows
}

// message is what a newcomer needs, the page first. For a terminal it has a QR code of the page.
func (w where) message(terminal bool) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-10s %s\n", name, value) }
	b.WriteString("\nBeckon is ready.\n\n")
	if len(w.lan) > 0 {
		w.writeLAN(&b, line, terminal)
	} else {
		s := ""
		if w.https {
			s = "s"
		}
		line("page", fmt.Sprintf("http%s://%s/ (open it in two tabs)", s, w.clients.Local()))
		line("clients", fmt.Sprintf("ws%s://%s/ws?user=alice", s, w.clients.Local()))
	}
	line("NATS", w.nats)
	if w.ops != "" {
		line("operators", fmt.Sprintf("http://%s/readyz", w.ops.Local()))
	}
	b.WriteString("\n")
	return b.String()
}

func (w where) writeLAN(b *strings.Builder, line func(name, value string), terminal bool) {
	_, port, _ := net.SplitHostPort(string(w.clients)) // a listener's own address
	pages := make([]string, len(w.lan))
	for i, a := range w.lan {
		pages[i] = "https://" + net.JoinHostPort(a.String(), port) + "/"
	}
	name := "page"
	for _, page := range pages {
		line(name, page)
		name = ""
	}
	line("", "https://"+net.JoinHostPort("localhost", port)+"/ on this machine")
	b.WriteString("\n")
	if terminal {
		if code, err := lan.QR(pages[0]); err == nil { // the line above says the same
			b.WriteString(code + "\n")
		}
	}
	if w.selfMade {
		b.WriteString("  The browser warns once that it does not know the certificate: this machine made it for itself, because\n" +
			"  nobody certifies private addresses, and without HTTPS a phone gives a page no camera. Go on to the page.\n" +
			"  An iPhone shows the page but lets it speak to a server only whose certificate it trusts: see --tls-cert.\n\n")
	}
	b.WriteString("  Whoever can reach this machine can join; nobody is asked for a password.\n\n")
	line("clients", strings.Replace(pages[0], "https", "wss", 1)+"ws?user=alice")
}
