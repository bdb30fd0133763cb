package wire

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

func TestSizesAreBounds(t *testing.T) {
	check := func(t rapid.TB, one Sized) {
		encoded, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded)+len(",") > one.size() {
			t.Errorf("%d bytes of %s, bound %d", len(encoded), encoded, one.size())
		}
	}
	for _, char := range []string{`"`, `\`, "<", "&", "a", "\u2028", "\ufeff", "\ufffd", "😀", "é"} {
		id := strings.Repeat(char, MaxUserID/len(char))
		name := strings.Repeat("n", MaxName)
		l := Login{Session: name, User: id, Room: id, Since: math.MinInt64}
		check(t, l)
		check(t, Entry{name, l})
		check(t, Ref{name, name})
	}
	rapid.Check(t, func(t *rapid.T) {
		l, gateway := logins().Draw(t, "login"), names().Draw(t, "gateway")
		check(t, l)
		check(t, Entry{gateway, l})
		check(t, Ref{gateway, l.Session})
	})
}

// Chunks keep everything, in order, and each fits a message beside the longest names.
func TestChunks(t *testing.T) {
	name := strings.Repeat("n", MaxName)
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(logins(), 1, 5).Draw(t, "kinds")
		count := rapid.IntRange(0, 1500).Draw(t, "count")
		all := make([]Login, count)
		for i := range all {
			all[i] = kinds[i%len(kinds)]
			all[i].Since = int64(i) // so that order shows
		}
		for _, chunk := range cut(t, all) {
			fits(t, &GatewaySnapshot{
				ID: name, Incarnation: name, Seq: math.MaxUint64, Chunk: math.MaxInt - 1, Chunks: math.MaxInt, Logins: chunk,
			})
			fits(t, &Announcement{Incarnation: name, Seq: math.MaxUint64, Joined: chunk})
		}
	})
	if got := Chunks[Entry](nil); len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("nothing gives %d chunks", len(got))
	}
}

// The worst there is fits, too.
func TestChunksOfTheLongest(t *testing.T) {
	name, id := strings.Repeat("n", MaxName), strings.Repeat(`"`, MaxUserID)
	all := make([]Entry, 2000)
	for i := range all {
		all[i] = Entry{name, Login{Session: name, User: id, Room: id, Since: math.MinInt64}}
	}
	for _, chunk := range cut(t, all) {
		fits(t, &ViewSnapshot{
			ID: name, View: name, Version: math.MaxUint64, Chunk: math.MaxInt - 1, Chunks: math.MaxInt, Entries: chunk,
		})
		fits(t, &Delta{View: name, Version: math.MaxUint64, Joined: chunk})
	}
}

type sizedAndComparable interface {
	Sized
	comparable
}

// cut cuts all into chunks, and checks that nothing is lost and that all but the last are full.
func cut[T sizedAndComparable](t rapid.TB, all []T) [][]T {
	chunks := Chunks(all)
	if got := slices.Concat(chunks...); !slices.Equal(got, all) {
		t.Fatalf("%d entries became %d", len(all), len(got))
	}
	for i, chunk := range chunks {
		size := 0
		for _, one := range chunk {
			size += one.size()
		}
		if size > chunkBytes || size < chunkBytes-1000 && i < len(chunks)-1 || size == 0 && len(all) > 0 {
			t.Errorf("chunk %d of %d has %d bytes at most", i, len(chunks), size)
		}
	}
	return chunks
}

func fits(t rapid.TB, m Encodable) {
	t.Helper()
	encoded, err := Encode(m)
	if err != nil || len(encoded) > MaxMessage {
		t.Errorf("%T of %d bytes: %v", m, len(encoded), err)
	}
}

// chunk is a chunk on its way.
type chunk struct {
	id    string
	n, of int
	part  []int
}

func TestAssembly(t *testing.T) {
	a := []chunk{{"a", 0, 3, []int{1, 2}}, {"a", 1, 3, nil}, {"a", 2, 3, []int{3}}}
	b := []chunk{{"b", 0, 2, []int{4}}, {"b", 1, 2, []int{5}}}
	only := chunk{"c", 0, 1, []int{6}}
	for name, c := range map[string]struct {
		arrive []chunk
		want   [][]int
	}{
		"in order":            {a, [][]int{{1, 2, 3}}},
		"one only":            {[]chunk{only}, [][]int{{6}}},
		"one after the other": {slices.Concat(a, b, a), [][]int{{1, 2, 3}, {4, 5}, {1, 2, 3}}},
		"the first lost":      {a[1:], nil},
		"one lost":            {[]chunk{a[0], a[2]}, nil},
		"the last lost":       {slices.Concat(a[:2], b), [][]int{{4, 5}}},
		"one twice":           {[]chunk{a[0], a[1], a[1], a[2]}, nil},
		"the first twice":     {[]chunk{a[0], a[0], a[1], a[2]}, [][]int{{1, 2, 3}}},
		"in disorder":         {[]chunk{a[0], a[2], a[1]}, nil},
		"the last again":      {slices.Concat(a, a[2:]), [][]int{{1, 2, 3}}},
		"begun anew":          {slices.Concat(a[:2], a), [][]int{{1, 2, 3}}},
		"two mixed":           {[]chunk{a[0], b[0], a[1], b[1], a[2]}, nil},
		"an empty one":        {[]chunk{{"d", 0, 1, nil}}, [][]int{nil}},
	} {
		var assembly Assembly[int]
		var got [][]int
		for _, c := range c.arrive {
			if all, whole := assembly.Add(c.id, c.n, c.of, c.part); whole {
				got = append(got, all)
			} else if all != nil {
				t.Errorf("%s: %v, which is not whole", name, all)
			}
		}
		if !slices.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever gets lost, comes twice or in disorder: what is called whole is whole.
func TestAssemblyNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []chunk
		whole := make(map[string][]int)
		for _, id := range []string{"a", "b"} {
			parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Int(), 0, 3), 1, 4).Draw(t, id)
			for n, part := range parts {
				sent = append(sent, chunk{id, n, len(parts), part})
				whole[id] = append(whole[id], part...)
			}
		}
		var assembly Assembly[int]
		for range rapid.IntRange(0, 30).Draw(t, "arrivals") {
			c := rapid.SampledFrom(sent).Draw(t, "chunk")
			if all, ok := assembly.Add(c.id, c.n, c.of, c.part); ok && !slices.Equal(all, whole[c.id]) {
				t.Fatalf("%v is called whole, which is %v", all, whole[c.id])
			}
		}
		for _, c := range sent {
			if all, ok := assembly.Add(c.id, c.n, c.of, c.part); ok != (c.n == c.of-1) || ok && !slices.Equal(all, whole[c.id]) {
				t.Fatalf("after chunk %d of %d: %v, %v", c.n, c.of, all, ok)
			}
		}
	})
}
