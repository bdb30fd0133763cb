package roster

import (
	"strings"

	"github.com/google/btree"
)

// pageDegree is that of the trees by user id: nodes of up to 63 ids.
const pageDegree = 32

// Query asks for a part of a room's list, by user id.
type Query struct {
	Prefix string // of the ids; "" for all
	After  string // begin after this id, whether it is in the list or not; "" for the first
	Limit  int    // most users on the page
}

// Page answers a [Query].
type Page struct {
	Version uint64   // of the list
	Count   int      // users in the list
	Users   []string // by id, bytes ascending
	More    bool     // there are others after the last of Users, with the prefix
}

// sort makes the list by user id, if there is none. From then on it is kept.
func (rm *room) sort() {
	if rm.pages != nil {
		return
	}
	rm.pages = btree.NewOrderedG[string](pageDegree)
	for _, m := range rm.list {
		rm.pages.ReplaceOrInsert(m.user)
	}
}

// page gives a part of the list as viewers were told it last.
func (rm *room) page(q Query) Page {
	rm.sort()
	p := Page{Version: rm.version, Count: len(rm.list)}
	rm.pages.AscendGreaterOrEqual(max(q.Prefix, q.After), func(user string) bool {
		switch {
		case user == q.After:
		case !strings.HasPrefix(user, q.Prefix):
			return false
		case len(p.Users) == q.Limit:
			p.More = true
			return false
		default:
			p.Users = append(p.Users, user)
		}
		return true
	})
	return p
}
