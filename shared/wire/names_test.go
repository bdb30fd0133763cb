package wire

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// ids are user ids and what is none (token empty).
var ids = []struct{ id, token string }{
	{"alice", "alice"},
	{"A-Z_09", "A-Z_09"},
	{"-", "-"},
	{strings.Repeat("a", 64), strings.Repeat("a", 64)},
	{strings.Repeat("a", 66), "=" + strings.Repeat("YWFh", 22)},
	{"*", "=Kg"},
	{">", "=Pg"},
	{".", "=Lg"},
	{">.x", "=Pi54"},
	{"a.b", "=YS5i"},
	{"a b", "=YSBi"},
	{" ", "=IA"},
	{"=", "=PQ"},
	{"=YQ", "=PVlR"}, // not the user "a", whose base64 that is
	{`"\`, "=Ilw"},
	{"Ünï", "=w5xuw68"},
	{"😀", "=8J-YgA"},
	{"\u00a0\u2028\ufeff\ufffd", "=wqDigKjvu7_vv70"}, // odd, and no control characters
	{strings.Repeat("é", 64), "=" + strings.Repeat("w6nDqcOp", 21) + "w6k"},

	{"", ""},
	{strings.Repeat("a", 129), ""},
	{strings.Repeat("é", 64) + "a", ""},
	{strings.Repeat("a", 5<<10), ""},
	{"\x00", ""},
	{"a\nb", ""},
	{"\x1f", ""},
	{"\x7f", ""},
	{"\u0080", ""}, // C1, first and last
	{"\u009f", ""},
	{"\xff", ""},
	{"a\xc3", ""},
	{"\xc0\x80", ""},     // overlong
	{"\xed\xa0\x80", ""}, // a surrogate
}

func TestUserIDs(t *testing.T) {
	for _, c := range ids {
		err := CheckUserID(c.id)
		if room := CheckRoom(c.id); (room == nil) != (err == nil) {
			t.Errorf("%q as a room: %v; as a user id: %v", c.id, room, err)
		}
		if c.token == "" {
			if err == nil {
				t.Errorf("%q is taken for a user id", c.id)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.id, err)
			continue
		}
		if got := Token(c.id); got != c.token {
			t.Errorf("token of %q is %q, want %q", c.id, got, c.token)
		}
		if user, err := UserOfToken(c.token); err != nil || user != c.id {
			t.Errorf("token %q is that of %q (%v), want %q", c.token, user, err, c.id)
		}
	}
}

func TestOneSpellingForEachUser(t *testing.T) {
	for _, token := range []string{
		"",
		"=",
		"=YQ",           // a has its own token
		"=" + "YWxpY2U", // and so has alice
		"=Kg==",         // padding
		"=Kh",           // trailing bits that are not zero
		"=K",
		"=K\ng",
		"=Kg\r\n",
		"=8J+YgA", // the other base64 alphabet
		"=_w",     // not UTF-8
		"=AA",     // a control character
		"*", ">", "a.b", "a b", "Ünï",
		strings.Repeat("a", 65),
		"=" + strings.Repeat("YWFh", 43), // 129 bytes
		strings.Repeat("a", 5<<10),
	} {
		if user, err := UserOfToken(token); !errors.Is(err, ErrToken) || user != "" {
			t.Errorf("token %q: user %q, error %v", token, user, err)
		}
	}
}

func TestTokenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := userIDs().Draw(t, "user")
		token := Token(user)
		isToken(t, token)
		if got, err := UserOfToken(token); err != nil || got != user {
			t.Fatalf("%q became %q: %v", user, got, err)
		}
		other := rapid.OneOf(userIDs(), rapid.Just(token)).Draw(t, "other")
		if CheckUserID(other) == nil && (Token(other) == token) != (other == user) {
			t.Fatalf("%q and %q have the tokens %q and %q", user, other, token, Token(other))
		}
	})
}

func FuzzUserOfToken(f *testing.F) {
	for _, c := range ids {
		f.Add(c.id)
		f.Add(c.token)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if user, err := UserOfToken(s); err == nil {
			isToken(t, s)
			if err := CheckUserID(user); err != nil || Token(user) != s {
				t.Errorf("%q: user %q (%v) with the token %q", s, user, err, Token(user))
			}
		} else if !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", s, err)
		}
		if CheckUserID(s) == nil {
			if user, err := UserOfToken(Token(s)); err != nil || user != s {
				t.Errorf("%q became %q: %v", s, user, err)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "gw-1", "A_Z-az09", "-", "_", strings.Repeat("a", 64), NewID()} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "a.b", "*", ">", "a b", "a\n", "=YQ", "a=", "ü", "\xff", "\x00", "a/b", "a@b", "a[b", "a`b", "a{b", "a:b",
		strings.Repeat("a", 65),
	} {
		if CheckName(name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if a, b := NewID(), NewID(); a == b || len(a) != 16 {
		t.Errorf("new ids: %s, %s", a, b)
	}
}

// isToken checks that token can stand between two dots of a literal subject.
func isToken(t interface{ Fatalf(string, ...any) }, token string) {
	if token == "" || strings.ContainsAny(token, ".*>") || strings.ContainsFunc(token, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r > unicode.MaxASCII
	}) {
		t.Fatalf("%q is no subject token", token)
	}
}

// userIDs draws valid user ids, many of them nasty.
func userIDs() *rapid.Generator[string] {
	char := rapid.OneOf(rapid.RuneFrom([]rune(`az09-_=.*> "\/<&`+"\u2028\ufeff")), rapid.Rune())
	return rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`),
		rapid.StringOfN(char, 1, -1, MaxUserID),
	).Filter(func(s string) bool { return CheckUserID(s) == nil })
}

// names draws names.
func names() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`) }
