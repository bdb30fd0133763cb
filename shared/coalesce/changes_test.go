package coalesce_test

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"beckon/shared/coalesce"
)

// Whatever happens to a map, the changes taken now and then turn a copy that was equal before into one that is equal
// again, and name nothing that did not change.
func TestChangesAreTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var changes coalesce.Changes[string, int]
		truth, copied := map[string]int{}, map[string]int{}
		key := rapid.SampledFrom([]string{"a1", "a2", "b1", "b2"})
		take := func() {
			last := ""
			for _, c := range changes.Take(strings.Compare) {
				if c.Key <= last {
					t.Fatalf("%q after %q", c.Key, last)
				}
				last = c.Key
				was, had := copied[c.Key]
				is, has := truth[c.Key]
				if c.Had != had || c.Was != was || c.Has != has || c.Is != is || was == is && had == has {
					t.Fatalf("%+v; it was %v %v and is %v %v", c, was, had, is, has)
				}
				if has {
					copied[c.Key] = is
				} else {
					delete(copied, c.Key)
				}
			}
			if !maps.Equal(truth, copied) {
				t.Fatalf("the changes lead to %v, want %v", copied, truth)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k := key.Draw(t, "key")
				was, had := truth[k]
				truth[k] = rapid.IntRange(0, 2).Draw(t, "value")
				changes.Put(k, truth[k], was, had)
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if was, had := truth[k]; had {
					delete(truth, k)
					changes.Remove(k, was)
				}
			},
			"forget": func(t *rapid.T) {
				of := func(k string) bool { return strings.HasPrefix(k, "a") }
				changes.Forget(of)
				for k := range truth {
					if of(k) {
						delete(copied, k)
						copied[k] = truth[k]
					}
				}
				for k := range copied {
					if _, has := truth[k]; of(k) && !has {
						delete(copied, k)
					}
				}
			},
			"take": func(*rapid.T) { take() },
		})
		take()
	})
}
