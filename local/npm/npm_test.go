package npm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// nothing is the lock file of a folder without packages, which no registry is asked for.
const nothing = `{"name": "nothing", "lockfileVersion": 3, "requires": true, "packages": {"": {"name": "nothing"}}}`

func folder(t *testing.T, lockFile string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "package.json"), `{"name": "nothing", "private": true}`)
	write(t, filepath.Join(dir, "package-lock.json"), lockFile)
	return dir
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// program puts a program of our own before all others.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func installed(t *testing.T, dir string) {
	t.Helper()
	if err := Install(limited(t), dir); err != nil {
		t.Fatal(err)
	}
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// counted is an npm that takes a moment and leaves a line in a file for each time that it ran.
func counted(t *testing.T) (runs func() int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("NPM_TEST_LOG", log)
	program(t, "npm", `echo "$@" >>"$NPM_TEST_LOG"; sleep 0.2; mkdir -p node_modules`)
	return func() int {
		content, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(content)) {
			if line != "ci --no-audit --no-fund --ignore-scripts\n" {
				t.Errorf("npm was told %q", line)
			}
			n++
		}
		return n
	}
}

func TestRealNPM(t *testing.T) {
	dir := folder(t, nothing)
	if node := Node(t, dir); node == "" {
		t.Error("there is no path")
	}
	write(t, filepath.Join(dir, "package.json"), `{"name": "nothing", "private": true, "dependencies": {"ms": "2.1.3"}}`)
	err := Install(limited(t), dir)
	if err == nil || !strings.Contains(err.Error(), "npm ci: exit status 1") || !strings.Contains(err.Error(), "ms@2.1.3") {
		t.Errorf("a lock file that lacks a package: %v", err)
	}
}

func TestInstallsOnce(t *testing.T) {
	runs := counted(t)
	dir := folder(t, nothing)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := Install(limited(t), dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := runs(); n != 1 {
		t.Errorf("npm ran %d times", n)
	}
	installed(t, dir)
	if n := runs(); n != 1 {
		t.Errorf("npm ran again for what is installed: %d times", n)
	}
	write(t, filepath.Join(dir, "package-lock.json"), nothing+"\n")
	installed(t, dir)
	if n := runs(); n != 2 {
		t.Errorf("npm ran %d times after the lock file changed, want 2", n)
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	installed(t, dir)
	if n := runs(); n != 3 {
		t.Errorf("npm ran %d times after the packages were removed, want 3", n)
	}
}

// What failed half-way is not taken for installed, even if it had been before.
func TestFailureIsNotInstalled(t *testing.T) {
	runs := counted(t)
	dir := folder(t, nothing)
	installed(t, dir)
	write(t, filepath.Join(dir, "package-lock.json"), nothing+"\n")
	before := os.Getenv("PATH")
	program(t, "npm", "echo no such luck >&2; exit 7")
	if err := Install(limited(t), dir); err == nil || !strings.Contains(err.Error(), "exit status 7\nno such luck") {
		t.Errorf("error of an npm that fails: %v", err)
	}
	write(t, filepath.Join(dir, "package-lock.json"), nothing) // as it was when it was installed
	t.Setenv("PATH", before)
	installed(t, dir)
	if n := runs(); n != 2 {
		t.Errorf("npm ran %d times, want 2", n)
	}
}

func TestWaitHasAnEnd(t *testing.T) {
	dir := folder(t, nothing)
	unlock, err := lock(limited(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockEvery)
	defer cancel()
	if err := Install(ctx, dir); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for others") {
		t.Errorf("error: %v", err)
	}
}

func TestInstallationHasAnEnd(t *testing.T) {
	program(t, "npm", "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Install(ctx, folder(t, nothing)); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("error: %v", err)
	}
}

func TestNoSuchFolder(t *testing.T) {
	if err := Install(limited(t), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
}

func TestFindNode(t *testing.T) {
	program(t, "npm", "exit 1")
	for version, want := range map[string]string{
		"v18.0.0": "", "v20.20.2": "", "v100.1.0": "",
		"v17.9.1": "is v17.9.1, want v18 or newer", "v8.11.1": "is v8.11.1", "none": "is none", "": "is , want",
	} {
		program(t, "node", "echo "+version)
		node, err := find(limited(t), exec.LookPath)
		switch {
		case want == "" && (err != nil || node == ""):
			t.Errorf("node %s: %q, %v", version, node, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("node %s: error %v, want %q", version, err, want)
		}
	}
	for _, missing := range []string{"npm", "node"} {
		_, err := find(limited(t), func(name string) (string, error) {
			if name == missing {
				return "", exec.ErrNotFound
			}
			return exec.LookPath(name)
		})
		if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), ".ci/node") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}
