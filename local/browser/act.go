package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Await waits until there is exactly one node of this role and name, such as "button", "Call bob".
func (p *Page) Await(role, name string) {
	p.b.t.Helper()
	err := p.await(func(ctx context.Context) error {
		_, err := only(ctx, role, name)
		return err
	})
	if err != nil {
		p.fail(fmt.Sprintf("wait for %s %q", role, name), err)
	}
}

// AwaitGone waits until there is no node of this role and name.
func (p *Page) AwaitGone(role, name string) {
	p.b.t.Helper()
	err := p.await(func(ctx context.Context) error {
		nodes, err := query(ctx, role, name)
		if err == nil && len(nodes) > 0 {
			err = errors.New("it is still there")
		}
		return err
	})
	if err != nil {
		p.fail(fmt.Sprintf("wait until %s %q is gone", role, name), err)
	}
}

// AwaitText waits until a text is part of what a screen reader meets: of a name, a value or a text, in one piece.
func (p *Page) AwaitText(text string) {
	p.b.t.Helper()
	err := p.await(func(ctx context.Context) error {
		nodes, err := fullTree(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if !n.Ignored && (strings.Contains(n.Name.String(), text) || strings.Contains(n.Value.String(), text)) {
				return nil
			}
		}
		return errors.New("it is not there")
	})
	if err != nil {
		p.fail(fmt.Sprintf("wait for the text %q", text), err)
	}
}

// only finds the one node of a role and name.
func only(ctx context.Context, role, name string) (*axNode, error) {
	nodes, err := query(ctx, role, name)
	if err != nil {
		return nil, err
	}
	if len(nodes) != 1 {
		return nil, fmt.Errorf("there are %d", len(nodes))
	}
	return nodes[0], nil
}

// query finds the nodes of a role and name that are there for a screen reader.
func query(ctx context.Context, role, name string) ([]*axNode, error) {
	document, thrown, err := runtime.Evaluate("document").Do(ctx)
	if err == nil && thrown != nil {
		err = thrown
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = runtime.ReleaseObject(document.ObjectID).Do(ctx) }() // the page may have been left
	var found axNodes
	err = cdp.Execute(ctx, "Accessibility.queryAXTree", map[string]any{
		"objectId": document.ObjectID, "role": role, "accessibleName": name,
	}, &found)
	return slices.DeleteFunc(found.Nodes, func(n *axNode) bool { return n.Ignored }), err
}

// Click clicks what has this role and name, once it is there, enabled, at rest, and not behind anything else.
func (p *Page) Click(role, name string) {
	p.b.t.Helper()
	var before point
	err := p.await(func(ctx context.Context) error {
		n, err := only(ctx, role, name)
		switch {
		case err != nil:
			return err
		case n.is("disabled"):
			return errors.New("it is disabled")
		}
		at, err := pointOf(ctx, n.Element)
		if err != nil {
			return err
		}
		if at != before {
			before = at
			return errors.New("it moves")
		}
		return chromedp.MouseClickXY(at.x, at.y).Do(ctx)
	})
	if err != nil {
		p.fail(fmt.Sprintf("click %s %q", role, name), err)
	}
}

type point struct{ x, y float64 }

// pointOf is where an element can be clicked: its middle, if it is what lies there on top.
func pointOf(ctx context.Context, element cdp.BackendNodeID) (point, error) {
	if err := dom.ScrollIntoViewIfNeeded().WithBackendNodeID(element).Do(ctx); err != nil {
		return point{}, fmt.Errorf("scroll to it: %w", err)
	}
	quads, err := dom.GetContentQuads().WithBackendNodeID(element).Do(ctx)
	if err != nil {
		return point{}, fmt.Errorf("where it is: %w", err)
	}
	if len(quads) == 0 {
		return point{}, errors.New("it takes no room")
	}
	var at point
	for i := 0; i < 8; i += 2 { // the four corners of the first line of it
		at.x += quads[0][i] / 4
		at.y += quads[0][i+1] / 4
	}
	object, err := dom.ResolveNode().WithBackendNodeID(element).Do(ctx)
	if err != nil {
		return point{}, err
	}
	defer func() { _ = runtime.ReleaseObject(object.ObjectID).Do(ctx) }() // the page may have been left
	var covered struct {
		Result struct {
			Value string `json:"value"`
		} `json:"result"`
	}
	err = cdp.Execute(ctx, "Runtime.callFunctionOn", map[string]any{
		"objectId": object.ObjectID, "functionDeclaration": whatCovers, "returnByValue": true,
		"arguments": []map[string]float64{{"value": at.x}, {"value": at.y}},
	}, &covered)
	if err == nil && covered.Result.Value != "" {
		err = fmt.Errorf("it is behind %s", covered.Result.Value)
	}
	return at, err
}

// whatCovers says what would take a click instead of an element. A click on the label of a control is one on it.
const whatCovers = `function (x, y) {
	const hit = this.getRootNode().elementFromPoint(x, y);
	if (hit && (this.contains(hit) || hit.closest("label")?.control === this)) return "";
	return hit ? hit.outerHTML.slice(0, 100) : "the edge of the window";
}`

// Type types a text into what has the keyboard, key by key.
func (p *Page) Type(text string) {
	p.b.t.Helper()
	if err := p.try(func(ctx context.Context) error { return chromedp.KeyEvent(text).Do(ctx) }); err != nil {
		p.fail(fmt.Sprintf("type %q", text), err)
	}
}

var keys = map[string]string{
	"Enter": kb.Enter, "Tab": kb.Tab, "Escape": kb.Escape, "Space": " ", "Backspace": kb.Backspace, "Delete": kb.Delete,
	"Home": kb.Home, "End": kb.End, "ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown, "ArrowLeft": kb.ArrowLeft,
	"ArrowRight": kb.ArrowRight,
}

// Press presses keys, one after the other: "Enter", "Tab", "Shift+Tab", "Escape", "Space", "ArrowDown" and so on.
func (p *Page) Press(names ...string) {
	p.b.t.Helper()
	for _, name := range names {
		key, shift := strings.CutPrefix(name, "Shift+")
		code, ok := keys[key]
		if !ok {
			p.b.t.Fatalf("%s: press %q: no such key", p.name, name)
		}
		var modifiers []chromedp.KeyOption
		if shift {
			modifiers = append(modifiers, chromedp.KeyModifiers(input.ModifierShift))
		}
		if err := p.try(func(ctx context.Context) error { return chromedp.KeyEvent(code, modifiers...).Do(ctx) }); err != nil {
			p.fail("press "+name, err)
		}
	}
}
