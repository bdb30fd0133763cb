package wire

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Bounds of names.
const (
	// MaxUserID is the longest user id or room name, in bytes of UTF-8.
	MaxUserID = 128
	// MaxName is the longest name of a gateway, an incarnation, a view or a session, and the longest user id that
	// stands in a subject as it is.
	MaxName = 64
	// MaxCallID is the longest call id, in bytes of UTF-8.
	MaxCallID = 64
	// DefaultRoom is the room of a login that names none.
	DefaultRoom = "lobby"
)

// ErrToken is the cause of every error of [UserOfToken].
var ErrToken = errors.New("not a user's subject token")

// strict is base64url without padding (RFC 4648, section 5) that refuses non-zero trailing bits. It still skips line
// breaks, which is one reason for the round trip in [UserOfToken].
var strict = base64.RawURLEncoding.Strict()

// CheckUserID reports why s cannot be a user id, or nil. A user id is 1 to [MaxUserID] bytes of valid UTF-8 without
// control characters (Unicode category Cc).
func CheckUserID(s string) error { return checkText("user id", s) }

// CheckRoom reports why s cannot name a room, or nil. The rule is that of user ids.
func CheckRoom(s string) error { return checkText("room", s) }

func checkText(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > MaxUserID:
		return fmt.Errorf("%s is longer than %d bytes", what, MaxUserID)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s has a control character", what)
		}
	}
	return nil
}

// CheckName reports why s cannot name a gateway, an incarnation, a view or a session, or nil. Such a name is one
// subject token as it stands: [A-Za-z0-9_-]{1,64}.
func CheckName(s string) error {
	if !isName(s) {
		return fmt.Errorf("name must be 1 to %d characters out of A-Z, a-z, 0-9, _ and -", MaxName)
	}
	return nil
}

func isName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// NewID makes a random name of 16 characters (80 bits) for a session, an incarnation, a view, or a user who gave none.
func NewID() string { return rand.Text()[:16] }

// Token is the subject token of a valid user id: the id itself where that is a name ([CheckName]), otherwise "=" and
// the base64url (RFC 4648, section 5, no padding) of its bytes. Two ids never share a token.
func Token(user string) string {
	if isName(user) {
		return user
	}
	return "=" + strict.EncodeToString([]byte(user))
}

// UserOfToken is the inverse of [Token]. It takes only what Token gives: one spelling a user. Its errors wrap
// [ErrToken].
func UserOfToken(token string) (string, error) {
	user := token
	if token != "" && token[0] == '=' {
		raw, err := strict.DecodeString(token[1:])
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrToken, err)
		}
		user = string(raw)
	}
	if err := CheckUserID(user); err != nil {
		return "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	if Token(user) != token {
		return "", fmt.Errorf("%w: not the canonical spelling", ErrToken)
	}
	return user, nil
}
