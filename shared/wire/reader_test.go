package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// readObject reads text as an object and gives its members, "name=value".
func readObject(text []byte) ([]string, error) {
	r := NewReader(text)
	defer r.Free()
	var members []string
	err := r.Object(func(name []byte) error {
		v, err := r.Value()
		if err == nil {
			members = append(members, string(name)+"="+string(v))
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	return members, err
}

func TestReaderTakes(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{`{}`, nil},
		{" \t\r\n{ } \r\n", nil},
		{`{"a":1,"b":"x","c":null,"d":true,"e":[],"f":{}}`, []string{"a=1", `b="x"`, "c=null", "d=true", "e=[]", "f={}"}},
		{`{ "a" : { "b" : [ 1 , 2 ] } }`, []string{`a={ "b" : [ 1 , 2 ] }`}}, // as it was written
		{`{"a":1.50,"b":-0,"c":1E+999999,"d":` + strings.Repeat("9", 1000) + `}`, []string{
			"a=1.50", "b=-0", "c=1E+999999", "d=" + strings.Repeat("9", 1000),
		}},
		{`{"\u0061":"\u0061\n\ud83d\ude00\u0000"}`, []string{`a="\u0061\n\ud83d\ude00\u0000"`}},
		{`{"ü":"😀"}`, []string{`ü="😀"`}},
		{`{"a":1,"A":2,"":3}`, []string{"a=1", "A=2", "=3"}},
		{`{"a":{"x":1},"b":{"x":1}}`, []string{`a={"x":1}`, `b={"x":1}`}},
		{`{"a":"[[[[[[[[[[[[[[[[[[[[","b":"\"{{{{{{{{{{{{{{{{{{{{\\"}`, []string{
			`a="[[[[[[[[[[[[[[[[[[[["`, `b="\"{{{{{{{{{{{{{{{{{{{{\\"`,
		}},
	} {
		if got, err := readObject([]byte(c.text)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%.80q: %.200q, error %v, want %.200q", c.text, got, err, c.want)
		}
	}
}

// malformed is no text of one strict object.
var malformed = []string{
	"", " ", "{", "}", `{"a"`, `{"a":`, `{"a":1`, `{"a":"`, `{"a":[1}`, `{"a":1]`,
	"null", "5", `"a"`, "[]", `[{"a":1}]`, "true",
	"{}x", "{} {}", "{},", "{}}", "{}\x00", "\x00{}", "\ufeff{}",
	`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `{"x":[{"a":1,"\u0061":2}]}`,
	`{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":1:"b"}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`,
	`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":-}`,
	`{"a":nul}`, `{"a":True}`, `{"a":undefined}`, `{"a":1/**/}`, `{"a":[1,]}`,
	`{"a":"\x41"}`, `{"a":"\u00g0"}`, `{"a":"\u12"}`, "{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"a\":\"\x00\"}", "{\"\x00\":1}",
	`{"a":"\ud800"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\u0041"}`, `{"\ud800":1}`,
	"{\"a\":\"\xff\"}", "{\"\xff\":1}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
	"\xff\xfe{\x00}\x00",
}

func TestReaderRefuses(t *testing.T) {
	for _, text := range malformed {
		if got, err := readObject([]byte(text)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %q, error %v", text, got, err)
		}
	}
}

// An error says where and why, and quotes nothing.
func TestReaderErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "malformed JSON: unexpected end",
		`{"secret":1`:                "malformed JSON: unexpected end",
		`{"secret":1,"secret":2}`:    "malformed JSON: duplicate name",
		`{"a":secret}`:               "malformed JSON at byte 5",
		`"secret"`:                   "malformed JSON: an object is wanted",
		`{"a":1} secret`:             "malformed JSON at byte 8",
		`{"a":1} "secret"`:           "malformed JSON: text after the value",
		nested("[", "]", 17):         "malformed JSON: nested deeper than 16",
		`{"a":"\ud800","b":"secret"`: "malformed JSON at byte 6",
	} {
		if _, err := readObject([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// nested is an object in which values nest to the given depth, itself included: opened and closed by turns of what the
// two texts hold, separated by spaces.
func nested(opens, closes string, depth int) string {
	open, closing := strings.Fields(opens), strings.Fields(closes)
	var before, after []string
	for i := range depth - 1 {
		before = append(before, open[i%len(open)])
		after = append(after, closing[i%len(closing)])
	}
	slices.Reverse(after)
	return `{"a":` + strings.Join(before, "") + "1" + strings.Join(after, "") + "}"
}

func TestReaderDepth(t *testing.T) {
	for _, way := range [][2]string{
		{"[", "]"},
		{`{"a":`, "}"},
		{`[ {"a":`, "] }"},
		{`{"a": [`, "} ]"},
		{`["[",`, `,"]"]`},
		{`{"{":0,"a":`, `,"}":0}`},
	} {
		if text := nested(way[0], way[1], MaxDepth); !accepts(text) {
			t.Errorf("not taken: %s", text)
		}
		for _, depth := range []int{MaxDepth + 1, 100, 10_000} {
			text := nested(way[0], way[1], depth)
			if _, err := readObject([]byte(text)); !errors.Is(err, ErrSyntax) {
				t.Errorf("%d levels of %s: %v", depth, way[0], err)
			}
			if _, err := readObject([]byte(text[:len(text)/2])); !errors.Is(err, ErrSyntax) { // none closed
				t.Errorf("%d open levels of %s: %v", depth, way[0], err)
			}
		}
	}
}

func accepts(text string) bool {
	_, err := readObject([]byte(text))
	return err == nil
}

// The depth counts from the outermost object, however far a reader goes in by Object.
func TestReaderDepthOfObjects(t *testing.T) {
	read := func(text string, objects int) error {
		r := NewReader([]byte(text))
		defer r.Free()
		var down func(level int) error
		down = func(level int) error {
			if level == objects {
				_, err := r.Value()
				return err
			}
			return r.Object(func([]byte) error { return down(level + 1) })
		}
		if err := down(0); err != nil {
			return err
		}
		return r.End()
	}
	for objects := 1; objects <= MaxDepth+1; objects++ {
		if err := read(nested(`{"a":`, "}", MaxDepth), min(objects, MaxDepth)); err != nil {
			t.Errorf("%d levels, %d of them by Object: %v", MaxDepth, objects, err)
		}
		deeper := strings.Replace(nested(`{"a":`, "}", MaxDepth), "1", "{}", 1)
		if err := read(deeper, objects); !errors.Is(err, ErrSyntax) {
			t.Errorf("%d levels, %d of them by Object: %v", MaxDepth+1, objects, err)
		}
	}
}

func TestReaderEndsWithTheMembersError(t *testing.T) {
	r := NewReader([]byte(`{"a":1,"b":2}`))
	defer r.Free()
	stop := errors.New("stop")
	calls := 0
	if err := r.Object(func([]byte) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// Whatever a reader was left in the middle of, the next text is read as by a new one; and what it gave stays.
func TestReaderPool(t *testing.T) {
	text := []byte(`{"a":"kept","\u0062":[1,2,3],"c":{"d":"e"}}`)
	before := bytes.Clone(text)
	want, err := readObject(text)
	if err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	r := NewReader(text)
	if err := r.Object(func(name []byte) error {
		v, err := r.Value()
		kept = append(kept, name, v)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.Free()

	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := range 500 {
				half := malformed[i%len(malformed)]
				r := NewReader([]byte(half))
				if i%2 == 0 { // left before, or in the middle
					_ = r.Object(func([]byte) error { return errors.ErrUnsupported })
				}
				r.Free()
				if got, err := readObject([]byte(half)); !errors.Is(err, ErrSyntax) {
					t.Errorf("%q: %q, error %v", half, got, err)
				}
				if got, err := readObject(text); err != nil || !slices.Equal(got, want) {
					t.Errorf("after %q: %q, error %v", half, got, err)
				}
			}
		})
	}
	readers.Wait()
	if got := fmt.Sprintf("%s", kept); got != `[a "kept" b [1,2,3] c {"d":"e"}]` || !bytes.Equal(text, before) {
		t.Errorf("what was read became %s, the text %s", got, text)
	}
}

// Appending to what was read must not write over what comes after it.
func TestReaderValuesAreCut(t *testing.T) {
	text := []byte(`{"a":1,"b":2}`)
	r := NewReader(text)
	defer r.Free()
	if err := r.Object(func(name []byte) error {
		v, err := r.Value()
		_, _ = append(name, '!'), append(v, '!')
		return err
	}); err != nil || string(text) != `{"a":1,"b":2}` {
		t.Errorf("%s, error %v", text, err)
	}
}

func TestQuote(t *testing.T) {
	for _, c := range ids {
		if c.token == "" {
			continue
		}
		raw, err := unquote(Quote(c.id))
		if err != nil || string(raw) != c.id {
			t.Errorf("%q became %q: %v", c.id, raw, err)
		}
	}
	if got := string(AppendQuote([]byte("x:"), "a\"b\\c\u2028</")); got != "x:\"a\\\"b\\\\c\u2028</\"" {
		t.Errorf("got %s", got)
	}
}

// readArray reads text as an array and gives its elements, the members of those that are objects.
func readArray(text string) (elements []string, err error) {
	r := NewReader([]byte(text))
	defer r.Free()
	err = r.Array(func(i int) error {
		if i != len(elements) {
			return fmt.Errorf("element %d has index %d", len(elements), i)
		}
		if !r.AtObject() {
			v, err := r.Value()
			elements = append(elements, string(v))
			return err
		}
		var members []string
		err := r.Object(func(name []byte) error {
			v, err := r.Value()
			members = append(members, string(name)+"="+string(v))
			return err
		})
		elements = append(elements, fmt.Sprint(members))
		return err
	})
	if err == nil {
		err = r.End()
	}
	return elements, err
}

func TestReaderArrays(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, ` [ ] `: nil, `["offer",{"to":"bob","x":[1]},null]`: {`"offer"`, `[to="bob" x=[1]]`, "null"}, `[[{}],1.50]`: {`[{}]`, "1.50"},
	} {
		if got, err := readArray(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, error %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		``, `[`, `]`, `{}`, `null`, `"a"`, `[1`, `[1,]`, `[,1]`, `[1 2]`, `[1]]`, `[1],`, `[{"a":1,"a":2}]`, `["`, `[{]`, `[{"a":1]`, `{"a":[]}`,
		strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	} {
		if got, err := readArray(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %q, error %v", text, got, err)
		}
	}
	stop := errors.New("stop")
	r := NewReader([]byte(`[1,2]`))
	defer r.Free()
	if err := r.Array(func(int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an element's error became %v", err)
	}
}
