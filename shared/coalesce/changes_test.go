package coalesce_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"beckon/shared/coalesce"
)

// Whatever happens to a map, the steps taken now and then turn a copy that was equal before into one that is equal again,
// name nothing that did not change, and take nothing away before they have brought what is new.
func TestStepsAreTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var changes coalesce.Changes[string, int]
		truth, copied := map[string]int{}, map[string]int{}
		key := rapid.SampledFrom([]string{"a1", "a2", "b1", "b2"})
		take := func() {
			before := maps.Clone(copied)
			var order []string
			for _, step := range changes.Take(strings.Compare) {
				_, there := copied[step.Key]
				was, had := before[step.Key]
				_, has := truth[step.Key]
				switch {
				case step.Came == there:
					t.Fatalf("%+v in %v", step, copied)
				case !step.Came && has:
					order = append(order, "1: replaced "+step.Key)
				case step.Came:
					order = append(order, "2: came "+step.Key)
				default:
					order = append(order, "3: went "+step.Key)
				}
				if step.Came && had && was == step.Value {
					t.Fatalf("%+v has not changed", step)
				}
				if step.Came {
					copied[step.Key] = step.Value
				} else {
					delete(copied, step.Key)
				}
			}
			if !slices.IsSorted(order) {
				t.Fatalf("not in order: %q", order)
			}
			if !maps.Equal(truth, copied) {
				t.Fatalf("the steps lead to %v, want %v", copied, truth)
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
