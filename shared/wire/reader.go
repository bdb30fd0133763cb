package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep objects and arrays may nest in a frame or a signal.
const MaxDepth = 16

// ErrSyntax is the cause of a text that is not one strict JSON value: RFC 8259 in UTF-8, no duplicate names, nothing
// after it, at most [MaxDepth] deep.
var ErrSyntax = errors.New("malformed JSON")

// Reader reads one JSON text strictly, in one pass and without copying: what it returns are parts of the text. Get one
// from [NewReader], give it back with [Reader.Free].
type Reader struct {
	src []byte
	buf *bytes.Buffer // over src; jsontext reads a bytes.Buffer in place
	dec *jsontext.Decoder
}

var readers = sync.Pool{New: func() any {
	buf := new(bytes.Buffer)
	return &Reader{buf: buf, dec: jsontext.NewDecoder(buf)}
}}

// NewReader reads src, which must not change until Free.
func NewReader(src []byte) *Reader {
	r := readers.Get().(*Reader)
	r.src = src
	*r.buf = *bytes.NewBuffer(src) // the decoder is new, or has been reset by Free
	return r
}

// Free gives the reader back. What it returned stays valid.
func (r *Reader) Free() {
	r.src = nil
	*r.buf = bytes.Buffer{}
	r.dec.Reset(r.buf)
	readers.Put(r)
}

// Object reads the object that comes next and calls member with the name of each of its members, in order. member must
// read that member's value, by Value or Object. An error of member ends the reading and is returned as it is.
func (r *Reader) Object(member func(name []byte) error) error {
	if r.dec.PeekKind() != '{' {
		// The value is read all the same, because "not an object" would be a lie about broken JSON.
		if _, err := r.Value(); err != nil {
			return err
		}
		return fmt.Errorf("%w: an object is wanted", ErrSyntax)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	if r.dec.StackDepth() > MaxDepth {
		return errDepth()
	}
	for r.dec.PeekKind() != '}' {
		quoted, err := r.read()
		if err != nil {
			return err
		}
		name, err := unquote(quoted)
		if err != nil {
			return syntax(err)
		}
		if err := member(name); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	return nil
}

// Array reads the array that comes next and calls element for each of its elements with their index. element must read
// it, by Value or Object. An error of element ends the reading and is returned as it is.
func (r *Reader) Array(element func(i int) error) error {
	if r.dec.PeekKind() != '[' {
		if _, err := r.Value(); err != nil {
			return err
		}
		return fmt.Errorf("%w: an array is wanted", ErrSyntax)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	if r.dec.StackDepth() > MaxDepth {
		return errDepth()
	}
	for i := 0; r.dec.PeekKind() != ']'; i++ {
		if err := element(i); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax(err)
	}
	return nil
}

// AtObject reports that what comes next is an object, or means to be one.
func (r *Reader) AtObject() bool { return r.dec.PeekKind() == '{' }

// Value reads the value that comes next, whatever it is, as it was written.
func (r *Reader) Value() ([]byte, error) {
	depth := r.dec.StackDepth()
	v, err := r.read()
	if err != nil {
		return nil, err
	}
	if nesting(v) > MaxDepth-depth {
		return nil, errDepth()
	}
	return v, nil
}

// End checks that the text ends here.
func (r *Reader) End() error {
	_, err := r.dec.ReadToken()
	switch {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case err != nil:
		return syntax(err)
	default:
		return fmt.Errorf("%w: text after the value", ErrSyntax)
	}
}

// read takes the value from src by its offset, because the decoder lends its own slice only until the next call.
func (r *Reader) read() ([]byte, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	end := int(r.dec.InputOffset())
	return r.src[end-len(v) : end : end], nil
}

// syntax hides the decoder's words, which quote the text.
func syntax(err error) error {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("%w: duplicate name", ErrSyntax)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: unexpected end", ErrSyntax)
	}
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		return fmt.Errorf("%w at byte %d", ErrSyntax, at.ByteOffset)
	}
	return ErrSyntax
}

func errDepth() error { return fmt.Errorf("%w: nested deeper than %d", ErrSyntax, MaxDepth) }

// nesting is how deep a valid value nests: 0 for a string, 1 for [1,2].
func nesting(v []byte) int {
	if len(v) == 0 || v[0] != '{' && v[0] != '[' {
		return 0
	}
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// unquote gives the bytes of a valid JSON string: a part of it when it has no escapes.
func unquote(quoted []byte) ([]byte, error) {
	if end := len(quoted) - 1; end > 0 && bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1:end:end], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}

// Quote gives s as a JSON string. s must be valid UTF-8, which a checked name or id is.
func Quote(s string) []byte { return AppendQuote(nil, s) }

// AppendQuote appends s to b as a JSON string, under the same condition as [Quote].
func AppendQuote(b []byte, s string) []byte {
	// The only error is that of invalid UTF-8, for which U+FFFD has been put in its place.
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
