package wire

// chunkBytes keeps a chunk with its frame of members well under MaxMessage.
const chunkBytes = 96 << 10

// Sized is what snapshots and deltas are made of.
type Sized interface {
	// size is an upper bound of the bytes of its JSON.
	size() int
}

// A JSON string is at most six times as long as its text, when every character is escaped; user ids hold no control
// characters, so only quotes and backslashes are, and two is enough.
func (l Login) size() int { return 80 + len(l.Session) + 2*len(l.User) + 2*len(l.Room) }

func (e Entry) size() int { return 20 + len(e.Gateway) + e.Login.size() }

func (r Ref) size() int { return 40 + len(r.Gateway) + len(r.Session) }

// Filling counts how full a message is that is being put together. The zero value is an empty message.
type Filling struct{ bytes int }

// Add reports whether one fits beside what the message holds already. If not, the message is complete, and one is the
// first of the next.
func (f *Filling) Add(one Sized) bool {
	n := one.size()
	if f.bytes > 0 && f.bytes+n > chunkBytes {
		f.bytes = n
		return false
	}
	f.bytes += n
	return true
}

// Chunks cuts all into consecutive parts that each fit one message: at least one part, which may be empty.
func Chunks[T Sized](all []T) [][]T {
	var chunks [][]T
	var filling Filling
	start := 0
	for i, one := range all {
		if !filling.Add(one) {
			chunks = append(chunks, all[start:i])
			start = i
		}
	}
	return append(chunks, all[start:])
}

// Assembly puts the chunks of one snapshot together. The zero value is ready. NATS keeps the order of one sender's
// messages, so a chunk out of order means that one was lost, and the snapshot with it.
type Assembly[T any] struct {
	id   string
	next int
	all  []T
}

// Add takes a chunk, and gives the whole when it was the last. A chunk of another id begins anew; one that does not
// follow the chunk before drops what there was.
func (a *Assembly[T]) Add(id string, chunk, chunks int, part []T) (all []T, whole bool) {
	if id != a.id || chunk != a.next {
		*a = Assembly[T]{id: id}
		if chunk != 0 {
			return nil, false
		}
	}
	a.all = append(a.all, part...)
	a.next++
	if a.next < chunks {
		return nil, false
	}
	all = a.all
	*a = Assembly[T]{}
	return all, true
}
