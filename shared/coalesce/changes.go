package coalesce

import "slices"

// Changes gathers what became of each key since the last [Changes.Take]. Only what remains counts: a key that came and
// went stands for nothing, and so does one that ends as it was. The zero value is ready; it is not safe for concurrent
// use.
type Changes[K, V comparable] struct {
	changed map[K]Change[K, V]
}

// Change is what became of one key: it came (Has alone), it went (Had alone), or its value was replaced (both).
type Change[K, V comparable] struct {
	Key      K
	Had, Has bool
	Was, Is  V
}

// Put notes that key has the value is; before that it had the value was, if it had one.
func (c *Changes[K, V]) Put(key K, is, was V, had bool) {
	c.note(Change[K, V]{Key: key, Had: had, Was: was, Has: true, Is: is})
}

// Remove notes that key, which had the value was, is no more.
func (c *Changes[K, V]) Remove(key K, was V) {
	c.note(Change[K, V]{Key: key, Had: true, Was: was})
}

func (c *Changes[K, V]) note(now Change[K, V]) {
	if before, ok := c.changed[now.Key]; ok {
		now.Had, now.Was = before.Had, before.Was
	}
	if now.Had == now.Has && now.Was == now.Is {
		delete(c.changed, now.Key)
		return
	}
	if c.changed == nil {
		c.changed = make(map[K]Change[K, V])
	}
	c.changed[now.Key] = now
}

// Forget drops the changes of the keys that match.
func (c *Changes[K, V]) Forget(match func(K) bool) {
	for key := range c.changed {
		if match(key) {
			delete(c.changed, key)
		}
	}
}

// Take gives the changes in the order of compare over keys, and begins anew.
func (c *Changes[K, V]) Take(compare func(a, b K) int) []Change[K, V] {
	if len(c.changed) == 0 {
		return nil
	}
	all := make([]Change[K, V], 0, len(c.changed))
	for _, change := range c.changed {
		all = append(all, change)
	}
	slices.SortFunc(all, func(a, b Change[K, V]) int { return compare(a.Key, b.Key) })
	c.changed = nil // not cleared: a burst's map would stay as large for ever
	return all
}
