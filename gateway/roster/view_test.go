package roster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"beckon/shared/wire"
)

// view is a presence replica's, done in the plainest way: what it says is the truth that a follower must come to.
type view struct {
	name     string
	version  uint64
	complete bool
	logins   map[wire.Ref]wire.Login
	answered int
}

func newView(name string, entries ...wire.Entry) *view {
	v := &view{name: name, complete: true, logins: make(map[wire.Ref]wire.Login)}
	for _, e := range entries {
		v.logins[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
	return v
}

func (v *view) delta(d wire.Delta) *wire.Delta {
	v.version++
	d.View, d.Version = v.name, v.version
	for _, gateway := range d.Gone {
		maps.DeleteFunc(v.logins, func(ref wire.Ref, _ wire.Login) bool { return ref.Gateway == gateway })
	}
	for _, ref := range d.Left {
		delete(v.logins, ref)
	}
	for _, e := range d.Joined {
		v.logins[wire.Ref{Gateway: e.Gateway, Session: e.Session}] = e.Login
	}
	return &d
}

func (v *view) joined(entries ...wire.Entry) *wire.Delta { return v.delta(wire.Delta{Joined: entries}) }

func (v *view) left(gateway, session string) *wire.Delta {
	return v.delta(wire.Delta{Left: []wire.Ref{{Gateway: gateway, Session: session}}})
}

func (v *view) gone(gateway string) *wire.Delta { return v.delta(wire.Delta{Gone: []string{gateway}}) }

func (v *view) beat() *wire.ViewBeat {
	b := &wire.ViewBeat{View: v.name, Version: v.version, Complete: v.complete, Count: len(v.logins)}
	for _, login := range v.logins {
		b.Digest ^= wire.Digest(login.Hash())
	}
	return b
}

func (v *view) stopping() *wire.ViewBeat {
	b := v.beat()
	b.Stopping = true
	return b
}

// snapshot gives chunks of two entries.
func (v *view) snapshot() []*wire.ViewSnapshot {
	v.answered++
	parts := slices.Collect(slices.Chunk(v.entries(), 2))
	if parts == nil {
		parts = [][]wire.Entry{nil}
	}
	var chunks []*wire.ViewSnapshot
	for i, part := range parts {
		chunks = append(chunks, &wire.ViewSnapshot{
			ID: fmt.Sprint(v.name, v.answered), View: v.name, Version: v.version,
			Chunk: i, Chunks: len(parts), Entries: part,
		})
	}
	return chunks
}

func (v *view) entries() []wire.Entry {
	var all []wire.Entry
	for ref, login := range v.logins {
		all = append(all, wire.Entry{Gateway: ref.Gateway, Login: login})
	}
	slices.SortFunc(all, func(a, b wire.Entry) int {
		return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Session, b.Session))
	})
	return all
}
