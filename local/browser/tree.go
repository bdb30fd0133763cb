package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
)

// axNode is a node of the accessibility tree: what a screen reader knows of an element. It is less than what cdproto
// has, whose lists of names are those of one version of Chromium.
type axNode struct {
	ID         string    `json:"nodeId"`
	Parent     string    `json:"parentId"`
	Children   []string  `json:"childIds"`
	Ignored    bool      `json:"ignored"`
	Role       axValue   `json:"role"`
	Name       axValue   `json:"name"`
	Value      axValue   `json:"value"`
	Properties []axState `json:"properties"`

	Element cdp.BackendNodeID `json:"backendDOMNodeId"`
}

type axValue struct {
	Value any `json:"value"`
}

type axState struct {
	Name  string  `json:"name"`
	Value axValue `json:"value"`
}

func (v axValue) String() string {
	if v.Value == nil {
		return ""
	}
	return fmt.Sprint(v.Value)
}

func (n *axNode) is(state string) bool {
	return slices.ContainsFunc(n.Properties, func(s axState) bool { return s.Name == state && s.Value.Value == true })
}

func (n *axNode) String() string {
	s := n.Role.String()
	if name := n.Name.String(); name != "" {
		s += fmt.Sprintf(" %q", name)
	}
	return s
}

type axNodes struct {
	Nodes []*axNode `json:"nodes"`
}

func fullTree(ctx context.Context) ([]*axNode, error) {
	var tree axNodes
	err := cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
	return tree.Nodes, err
}

// treeText is a tree as text: a line for each node that a screen reader meets, indented by depth.
func treeText(nodes []*axNode) string {
	byID := make(map[string]*axNode, len(nodes))
	for _, n := range nodes {
		byID[n.ID] = n
	}
	var text strings.Builder
	var walk func(n *axNode, name string, depth int)
	walk = func(n *axNode, name string, depth int) { // the name is that of what it stands in
		if !n.Ignored && !n.silent(name) {
			fmt.Fprintf(&text, "%s%s\n", strings.Repeat("  ", depth), n.line())
			name = n.Name.String()
			depth++
		}
		for _, id := range n.Children {
			if child := byID[id]; child != nil {
				walk(child, name, depth)
			}
		}
	}
	for _, n := range nodes {
		if byID[n.Parent] == nil {
			walk(n, "", 0)
		}
	}
	return text.String()
}

// silent reports that a node adds nothing to what it stands in.
func (n *axNode) silent(name string) bool {
	switch n.Role.Value {
	case "generic":
		return n.Name.String() == ""
	case "StaticText":
		return n.Name.String() == name
	}
	return n.Role.Value == "InlineTextBox"
}

// states are those that a line of the tree's text has.
var states = []string{
	"focused", "disabled", "checked", "pressed", "expanded", "selected", "required", "invalid", "modal", "busy", "level", "live",
}

func (n *axNode) line() string {
	line := n.String()
	if value := n.Value.String(); value != "" {
		line += fmt.Sprintf(" value=%q", value)
	}
	for _, s := range n.Properties {
		switch value := s.Value.String(); {
		case !slices.Contains(states, s.Name), value == "false", n.Role.Value == "RootWebArea":
		case value == "true":
			line += " " + s.Name
		default:
			line += " " + s.Name + "=" + value
		}
	}
	return line
}

// Tree is what a screen reader meets on the page, as text: a line for each node with its role, its name, its value and its
// state, indented by depth.
func (p *Page) Tree() string {
	p.b.t.Helper()
	return treeText(p.tree())
}

// Focused is what has the keyboard, as role and name: `button "Call bob"`; "" when nothing has.
func (p *Page) Focused() string {
	p.b.t.Helper()
	for _, n := range p.tree() {
		if n.is("focused") && n.Role.Value != "RootWebArea" {
			return n.String()
		}
	}
	return ""
}

func (p *Page) tree() []*axNode {
	p.b.t.Helper()
	var nodes []*axNode
	err := p.try(func(ctx context.Context) (err error) {
		nodes, err = fullTree(ctx)
		return err
	})
	if err != nil {
		p.fail("accessibility tree", err)
	}
	return nodes
}
