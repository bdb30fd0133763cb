package socketio

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"beckon/shared/wire"
)

// docs/socketio.md has what the code has: events, codes and bounds.
func TestDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/socketio.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(raw)), " ")
	for _, k := range wire.Kinds {
		if !strings.Contains(text, "| `"+k.String()+"` | `{to") {
			t.Errorf("there is no %s", k)
		}
		name := strings.TrimSuffix(strings.SplitN(string(encodeSignal(&wire.Signal{Kind: k, Body: []byte("{}")}, "")), `"`, 3)[1], `"`)
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("nobody hears %s", name)
		}
	}
	var codes []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section(t, string(raw), "## What became of it"), -1) {
		codes = append(codes, m[1])
	}
	want := []string{codeBadField, codeBadFrame, codeBinary, codeRateLimited, codeUnknown}
	if slices.Sort(codes); !slices.Equal(codes, want) {
		t.Errorf("codes %q, want %q", codes, want)
	}
	for _, says := range []string{
		"`bad_user` or `bad_room`", fmt.Sprintf("%d ms after the connection", listDelay.Milliseconds()),
		fmt.Sprintf("%d refused events, with %v more", badBurst, float64(badRate)), fmt.Sprintf("more than %d KiB", wire.MaxFrame>>10),
		fmt.Sprintf("WebSockets with code %d", 1012), "`" + Path + "`", "`" + wire.DefaultRoom + "`", fmt.Sprintf("nested more than %d deep", wire.MaxDepth),
	} {
		if !strings.Contains(text, says) {
			t.Errorf("it does not say %q", says)
		}
	}
}

func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(text, heading)
	if !found {
		t.Fatalf("there is no %q", heading)
	}
	within, _, _ := strings.Cut(after, "\n## ")
	return within
}
