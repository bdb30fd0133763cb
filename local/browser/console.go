package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// entry is a line on a page's console, or what would be one if it had not stopped the page.
type entry struct {
	kind, text string
	complaint  bool
}

func (e entry) String() string { return e.kind + ": " + e.text }

// Expect says that complaints with one of these texts in them are part of the story, before or after they come.
func (p *Page) Expect(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, parts...)
}

// Clean checks that the page has complained of nothing but what is expected: no error or warning on the console, no
// exception that nobody caught, no request that failed, no breach of the CSP, no crash. It is called for every page at the
// end of the test.
func (p *Page) Clean() {
	p.b.t.Helper()
	if !p.isClosed() {
		// What it has complained of until now arrives before the answer.
		_ = p.try(func(ctx context.Context) error { return evaluate(ctx, "0", nil) })
	}
	for _, e := range p.complaints() {
		p.b.t.Errorf("%s: the page complains: %s", p.name, e)
	}
}

// complaints are those so far that nobody expects.
func (p *Page) complaints() []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.console), func(e entry) bool {
		return !e.complaint || slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(e.String(), part) })
	})
}

// lastConsole is the end of the console.
func (p *Page) lastConsole() []entry {
	const most = 40
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.console[max(0, len(p.console)-most):])
}

func (p *Page) note(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = append(p.console, e)
}

// ofConsole is what a page says itself.
func ofConsole(e *runtime.EventConsoleAPICalled) entry {
	words := make([]string, len(e.Args))
	for i, arg := range e.Args {
		words[i] = describe(arg)
	}
	complaint := e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning || e.Type == runtime.APITypeAssert
	return entry{"console." + e.Type.String(), strings.Join(words, " "), complaint}
}

func ofException(e *runtime.EventExceptionThrown) entry {
	d := e.ExceptionDetails
	return entry{"exception", fmt.Sprintf("%s (%s:%d)", exceptionText(d), d.URL, d.LineNumber+1), true}
}

// ofLog is what the browser says about a page.
func ofLog(e *log.EventEntryAdded) entry {
	text := e.Entry.Text
	if e.Entry.URL != "" {
		text += fmt.Sprintf(" (%s:%d)", e.Entry.URL, e.Entry.LineNumber+1)
	}
	complaint := e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning
	return entry{fmt.Sprintf("%s %s", e.Entry.Source, e.Entry.Level), text, complaint}
}

// exceptionText is "Uncaught (in promise)" and such, and what was thrown.
func exceptionText(d *runtime.ExceptionDetails) string {
	if d.Exception == nil {
		return d.Text
	}
	return d.Text + " " + describe(d.Exception)
}

// describe is a JavaScript value as the console shows it.
func describe(o *runtime.RemoteObject) string {
	var s string
	switch {
	case json.Unmarshal(o.Value, &s) == nil:
		return s
	case o.Description != "":
		return o.Description
	case o.Value != nil:
		return string(o.Value)
	}
	return string(o.Type)
}
