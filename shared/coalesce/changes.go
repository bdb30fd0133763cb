package coalesce

import (
	"maps"
	"slices"
)

// Changes gathers what became of each key since the last [Changes.Take]. Only what remains counts: a key that came and
// went stands for nothing, and so does one that ends as it was. The zero value is ready; it is not safe for concurrent
// use.
type Changes[K, V comparable] struct {
	changed map[K]change[V]
}

// change is what became of one key: it came (has alone), it went (had alone), or its value was replaced (both).
type change[V comparable] struct {
	had, has bool
	was, is  V
}

// Step is one thing to tell about a key: that it came with a value, or that it went.
type Step[K, V comparable] struct {
	Key   K
	Came  bool
	Value V // of a key that came
}

// Put notes that key has the value is; before that it had the value was, if it had one.
func (c *Changes[K, V]) Put(key K, is, was V, had bool) {
	c.note(key, change[V]{had: had, was: was, has: true, is: is})
}

// Remove notes that key, which had the value was, is no more.
func (c *Changes[K, V]) Remove(key K, was V) {
	c.note(key, change[V]{had: true, was: was})
}

func (c *Changes[K, V]) note(key K, now change[V]) {
	if before, ok := c.changed[key]; ok {
		now.had, now.was = before.had, before.was
	}
	if now.had == now.has && now.was == now.is {
		delete(c.changed, key)
		return
	}
	if c.changed == nil {
		c.changed = make(map[K]change[V])
	}
	c.changed[key] = now
}

// Forget drops the changes of the keys that match.
func (c *Changes[K, V]) Forget(match func(K) bool) {
	for key := range c.changed {
		if match(key) {
			delete(c.changed, key)
		}
	}
}

// Take gives the changes as steps, and begins anew. Keys that came stand before those that went, so that whoever tells the
// steps in several messages does not make something vanish that has only moved from one key to another; a key whose value
// was replaced has to go first, and comes again with the others. Within that the order is that of compare.
func (c *Changes[K, V]) Take(compare func(a, b K) int) []Step[K, V] {
	keys := slices.SortedFunc(maps.Keys(c.changed), compare)
	steps := make([]Step[K, V], 0, len(keys))
	for _, key := range keys {
		if change := c.changed[key]; change.had && change.has {
			steps = append(steps, Step[K, V]{Key: key})
		}
	}
	for _, key := range keys {
		if change := c.changed[key]; change.has {
			steps = append(steps, Step[K, V]{Key: key, Came: true, Value: change.is})
		}
	}
	for _, key := range keys {
		if !c.changed[key].has {
			steps = append(steps, Step[K, V]{Key: key})
		}
	}
	c.changed = nil // not cleared: a burst's map would stay as large for ever
	return steps
}
