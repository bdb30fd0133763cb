package deploy

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is a Markdown page, as far as it is code: its fenced blocks and what stands in backquotes between them.
type page struct {
	prose  string
	blocks []block
}

type block struct {
	section string // the heading that it stands under
	lang    string
	text    string
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```\n")

func deployPage(t *testing.T) page {
	t.Helper()
	text := read(t, filepath.Join(root, "docs", "deploy.md"))
	var p page
	end := 0
	section := ""
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		before := text[end:m[0]]
		if i := strings.LastIndex("\n"+before, "\n## "); i >= 0 {
			section, _, _ = strings.Cut(before[i+3:], "\n")
		}
		p.prose += before
		p.blocks = append(p.blocks, block{strings.TrimSpace(section), text[m[2]:m[3]], text[m[4]:m[5]]})
		end = m[1]
	}
	p.prose += text[end:]
	return p
}

// variables are those of the ini block of that section for that file.
func (p page) variables(t *testing.T, section, file string) map[string]string {
	t.Helper()
	for _, b := range p.blocks {
		if b.section == section && b.lang == "ini" && strings.HasPrefix(b.text, "# "+file+"\n") {
			return variables(t, b.text)
		}
	}
	t.Fatalf("docs/deploy.md, %q, has no %s", section, file)
	return nil
}

// variables reads an EnvironmentFile as systemd does (systemd.exec(5)), as far as ours go.
func variables(t *testing.T, text string) map[string]string {
	t.Helper()
	vars := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%q is no assignment", line)
		}
		if bare := strings.Trim(value, "'"); len(bare) == len(value)-2 {
			value = bare
		} else if strings.ContainsAny(value, `'"\`+" ") {
			t.Fatalf("%q must be quoted", line)
		}
		vars[name] = value
	}
	return vars
}

// locally gives the values the meaning that they have here.
func locally(vars map[string]string, local *strings.Replacer) map[string]string {
	here := map[string]string{}
	for name, value := range vars {
		here[name] = local.Replace(value)
	}
	return here
}
