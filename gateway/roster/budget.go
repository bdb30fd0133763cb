package roster

import "time"

// budgetWindow is what of the budget may be spent at once.
const budgetWindow = 100 * time.Millisecond

// budget bounds bytes a second on average. What is spent is paid off by time, and only who owes nothing may begin to
// spend again, at most a window's worth and whatever the last list is longer.
type budget struct {
	perSecond int
	owed      time.Time // until then
	spending  bool      // since it owed nothing
}

// free is from when on something may be spent.
func (b *budget) free() time.Time { return b.owed }

// allows reports whether something may be spent now.
func (b *budget) allows(now time.Time) bool {
	if !now.Before(b.owed) {
		b.owed, b.spending = now, true
	}
	if b.owed.Sub(now) >= budgetWindow {
		b.spending = false
	}
	return b.spending
}

func (b *budget) spend(bytes int)  { b.owed = b.owed.Add(b.worth(bytes)) }
func (b *budget) refund(bytes int) { b.owed = b.owed.Add(-b.worth(bytes)) }

func (b *budget) worth(bytes int) time.Duration {
	return time.Duration(float64(bytes) / float64(b.perSecond) * float64(time.Second))
}
