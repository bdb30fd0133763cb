// Package ice gives clients the STUN and TURN servers with which they find a path to each other.
package ice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Server is one entry of RTCConfiguration.iceServers (W3C WebRTC, section 4.2.4).
type Server struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`   // for turn and turns, where browsers insist on it
	Credential string   `json:"credential,omitempty"` // likewise
}

// Servers is a static list of servers. Clients get it as RTCConfiguration.iceServers.
type Servers []Server

// UnmarshalText takes either stun: or stuns: URLs (RFC 7064) separated by commas, or a JSON array of servers as browsers
// take them, which may have turn: and turns: URLs (RFC 7065), too. It refuses what would make RTCPeerConnection throw.
// Errors quote nothing, because anything may be a credential in the wrong place.
func (s *Servers) UnmarshalText(text []byte) error {
	list := strings.TrimSpace(string(text))
	servers, err := parse(list)
	if err != nil {
		return err
	}
	if err := check(servers); err != nil {
		return err
	}
	*s = servers
	return nil
}

func parse(list string) (Servers, error) {
	if list == "" {
		return nil, nil
	}
	if !strings.HasPrefix(list, "[") {
		var servers Servers
		for u := range strings.SplitSeq(list, ",") {
			servers = append(servers, Server{URLs: []string{strings.TrimSpace(u)}})
		}
		return servers, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(list)))
	d.DisallowUnknownFields()
	var entries []struct {
		Server
		URLs oneOrMore `json:"urls"`
	}
	if err := d.Decode(&entries); err != nil {
		return nil, errors.New("not a JSON array of {urls, username, credential}")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the array")
	}
	servers := make(Servers, len(entries))
	for i, e := range entries {
		servers[i] = Server{URLs: e.URLs, Username: e.Username, Credential: e.Credential}
	}
	return servers, nil
}

// oneOrMore is a string or an array of strings, as browsers take "urls".
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*o = make(oneOrMore, 1)
		return json.Unmarshal(b, &(*o)[0])
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// The URLs of RFC 7064, section 3.1, and RFC 7065, section 3.1. There is no user in them.
var (
	stunURL = regexp.MustCompile(`^stuns?:` + hostPort + `$`)
	turnURL = regexp.MustCompile(`^turns?:` + hostPort + `(\?transport=(udp|tcp))?$`)
)

const hostPort = `([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?`

func check(servers Servers) error {
	for i, s := range servers {
		if len(s.URLs) == 0 {
			return fmt.Errorf("server %d has no urls", i+1)
		}
		for _, u := range s.URLs {
			switch {
			case stunURL.MatchString(u):
			case !turnURL.MatchString(u):
				return fmt.Errorf("server %d: want stun:host[:port], stuns:…, turn:… or turns:…", i+1)
			case s.Username == "" || s.Credential == "":
				return fmt.Errorf("server %d: turn needs a username and a credential; give a JSON array", i+1)
			}
		}
	}
	return nil
}
