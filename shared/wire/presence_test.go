package wire

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The hash is part of the contract: a gateway and a replica of different builds compare digests.
func TestHashStays(t *testing.T) {
	for l, want := range map[Login]Digest{
		{}: 0x6992ce3f48c82aaa,
		{Session: "S1", User: "bob", Room: "lobby", Since: 1700000000123}: 0xf4c6022d175206ed,
		{Session: "S1", User: "Ünï", Room: "a b", Since: -1}:              0x8cbc2d1b96747fa8,
	} {
		if got := Digest(l.Hash()); got != want {
			t.Errorf("hash of %+v is %#x, want %#x", l, uint64(got), uint64(want))
		}
	}
}

func TestHashIsOverAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := logins().Draw(t, "a"), logins().Draw(t, "b")
		if rapid.Bool().Draw(t, "alike") { // in all but one, or in all
			switch b = a; rapid.IntRange(0, 4).Draw(t, "field") {
			case 0:
				b.Session = names().Draw(t, "session")
			case 1:
				b.User = userIDs().Draw(t, "user")
			case 2:
				b.Room = userIDs().Draw(t, "room")
			case 3:
				b.Since = rapid.Int64().Draw(t, "since")
			}
		}
		if (a == b) != (a.Hash() == b.Hash()) {
			t.Errorf("%+v and %+v have the hashes %x and %x", a, b, a.Hash(), b.Hash())
		}
	})
	// Where one field ends and the next begins counts.
	if (Login{Session: "a", User: "bc"}).Hash() == (Login{Session: "ab", User: "c"}).Hash() {
		t.Error("the fields run together")
	}
}

func TestDigestOfASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := make(map[Login]bool)
		var digest Digest
		for _, l := range rapid.SliceOfN(logins(), 0, 20).Draw(t, "joins") {
			if !held[l] {
				held[l] = true
				digest ^= Digest(l.Hash())
			}
		}
		for l := range held {
			if rapid.Bool().Draw(t, "leaves") {
				delete(held, l)
				digest ^= Digest(l.Hash())
			}
		}
		var want Digest
		for l := range held { // in any order
			want ^= Digest(l.Hash())
		}
		if digest != want {
			t.Errorf("digest %x of what has a digest of %x", digest, want)
		}
	})
}

func TestDigestText(t *testing.T) {
	for text, want := range map[string]Digest{
		"0000000000000000": 0, "00000000000000ff": 255, "8000000000000000": 1 << 63, "ffffffffffffffff": math.MaxUint64,
	} {
		if got, err := want.MarshalText(); err != nil || string(got) != text {
			t.Errorf("%d is %s (%v), want %s", want, got, err, text)
		}
		var got Digest
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %x: %v", text, uint64(got), err)
		}
	}
	for _, text := range []string{
		"", "0", "00000000000000ff0", "00000000000000f", "0x000000000000ff", "+0000000000000ff", "-0000000000000ff",
		"             ff", "ff              ", "ff and some more", "00000000000000fg", "0000_0000_0000_0", "0000000000000é",
	} {
		var got Digest
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %x", text, uint64(got))
		}
	}
}

// logins draws valid logins.
func logins() *rapid.Generator[Login] {
	return rapid.Custom(func(t *rapid.T) Login {
		return Login{
			Session: names().Draw(t, "session"), User: userIDs().Draw(t, "user"), Room: userIDs().Draw(t, "room"),
			Since: rapid.Int64().Draw(t, "since"),
		}
	})
}
