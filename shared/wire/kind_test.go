package wire

import (
	"math"
	"testing"
)

func TestKinds(t *testing.T) {
	known := make(map[Kind]bool)
	for _, k := range Kinds {
		known[k] = true
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%q is kind %d, want %d", k, got, k)
		}
		if got, ok := ParseKind([]byte(k.String())); !ok || got != k {
			t.Errorf("the bytes of %q are kind %d, want %d", k, got, k)
		}
	}
	for k := range Kind(math.MaxUint8) {
		if !known[k] && k.String() != "" {
			t.Errorf("kind %d, which is none, is called %q", k, k)
		}
	}
	for _, name := range []string{"", "Offer", "offer ", "icecandidate", "remoteIceCandidate", "sync"} {
		if k, ok := ParseKind(name); ok || k != 0 {
			t.Errorf("%q is taken for kind %d", name, k)
		}
	}
}
