package client

import (
	"fmt"
	"slices"
	"testing"
)

func TestSet(t *testing.T) {
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("set-%d", i))
	}
	s := NewSet(many...)
	s.Add(many[7])
	if s.Len() != 200 || !s.Has(many[199]) || s.Has("set-200") {
		t.Errorf("%d users, the last: %v, one who is not in: %v", s.Len(), s.Has(many[199]), s.Has("set-200"))
	}
	few := NewSet(many[:3]...)
	if got := sorted(s.Without(few)); !slices.Equal(got, sorted(many[3:])) {
		t.Errorf("without the first three: %q", got)
	}
	s.Remove(many[3:]...)
	s.Remove(many[3])
	if !s.Equal(few) || !few.Equal(s) || s.Equal(NewSet(many[1:4]...)) {
		t.Errorf("after removal %q, want %q", s.Users(), few.Users())
	}
	if got := sorted(s.Users()); !slices.Equal(got, many[:3]) {
		t.Errorf("users %q, want %q", got, many[:3])
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
