package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// instruction is one of a Dockerfile: COPY, with its flags (--from) and the words after them.
type instruction struct {
	name  string
	flags map[string]string
	rest  string   // the text after the flags
	words []string // of rest, or the elements of its JSON array
}

// stage is what stands between one FROM and the next.
type stage struct {
	base, name   string
	instructions []instruction
}

// all are the stage's instructions of that name.
func (s stage) all(name string) (all []instruction) {
	for _, i := range s.instructions {
		if i.name == name {
			all = append(all, i)
		}
	}
	return all
}

// parseDockerfile reads as much of the language as our Dockerfiles have (docs.docker.com/reference/dockerfile): a line is an
// instruction, unless it is a comment.
func parseDockerfile(text string) ([]stage, error) {
	var stages []stage
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasSuffix(line, `\`) {
			return nil, fmt.Errorf("a line goes on in the next: %s", line)
		}
		name, rest, _ := strings.Cut(line, " ")
		i := instruction{name: name, rest: strings.TrimSpace(rest), flags: map[string]string{}}
		for strings.HasPrefix(i.rest, "--") {
			flag, after, _ := strings.Cut(i.rest[2:], " ")
			key, value, _ := strings.Cut(flag, "=")
			i.flags[key], i.rest = value, strings.TrimSpace(after)
		}
		i.words = strings.Fields(i.rest)
		if array := strings.TrimPrefix(i.rest, "CMD "); strings.HasPrefix(array, "[") {
			i.words = nil
			if err := json.Unmarshal([]byte(array), &i.words); err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
		}
		if name == "FROM" {
			s := stage{base: i.words[0]}
			if len(i.words) == 3 && i.words[1] == "AS" {
				s.name = i.words[2]
			}
			stages = append(stages, s)
			continue
		}
		if len(stages) == 0 {
			return nil, fmt.Errorf("%s stands before FROM", name)
		}
		s := &stages[len(stages)-1]
		s.instructions = append(s.instructions, i)
	}
	return stages, nil
}

// ignored are the rules of a .dockerignore.
type ignored []struct {
	pattern *regexp.Regexp
	keep    bool // an exception, from the ! before it
}

func parseIgnored(text string) (rules ignored) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, keep := strings.CutPrefix(line, "!")
		quoted := regexp.QuoteMeta(path.Clean(pattern))
		quoted = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(quoted)
		rules = append(rules, struct {
			pattern *regexp.Regexp
			keep    bool
		}{regexp.MustCompile("^" + quoted + "(/.*)?$"), keep}) // a folder's rule is that of all in it
	}
	return rules
}

// has reports that a file, by its path in the repository, is not sent to Docker: the last rule that it matches decides.
func (rules ignored) has(file string) bool {
	out := false
	for _, r := range rules {
		if r.pattern.MatchString(file) {
			out = !r.keep
		}
	}
	return out
}

// copyIn copies a file of the repository, or what is in a folder of it, as COPY does: a destination that ends in / is a
// folder. It returns the paths of the files that it made.
func copyIn(rules ignored, from, to string) (made []string, err error) {
	top := filepath.Join(root, from)
	folder, err := os.Stat(top)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(top, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil || rules.has(filepath.ToSlash(name)) {
			return err
		}
		target := to
		switch rel, _ := filepath.Rel(top, file); {
		case folder.IsDir():
			target = filepath.Join(to, rel)
		case strings.HasSuffix(to, "/"):
			target = filepath.Join(to, filepath.Base(file))
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		made = append(made, target)
		return os.WriteFile(target, data, 0o644)
	})
	return made, err
}
