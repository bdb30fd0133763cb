// Package npm installs what tests run under Node.js: clients and servers of other people's making, from the lock files that
// stand beside the tests.
package npm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is for how long an installation may take, others' of the same folder included.
	patience = 3 * time.Minute
	// lockEvery is how often a folder that somebody else installs is looked at.
	lockEvery = 50 * time.Millisecond
	// killDelay is how long a program that was killed may keep its output open.
	killDelay = time.Second
	// oldest is the first major version of Node.js that will do.
	oldest = 18
)

// stamp is the file in node_modules that says what was installed. It is written last, so that what was interrupted is
// begun anew.
const stamp = ".installed"

// Node is for tests that need Node.js and what dir's lock file names: the path of node, once that is installed. Where
// there is no Node.js the test is skipped, but fails if CI is set in the environment.
func Node(t testing.TB, dir string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node, err := find(ctx, exec.LookPath)
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	if err := Install(ctx, dir); err != nil {
		t.Fatal(err)
	}
	return node
}

// find looks for a Node.js that is new enough, with npm beside it.
func find(ctx context.Context, look func(string) (string, error)) (node string, err error) {
	const hint = "install Debian's packages nodejs and npm (.ci/node does as root), or those of https://nodejs.org"
	for _, program := range []string{"npm", "node"} {
		if node, err = look(program); err != nil {
			return "", fmt.Errorf("no Node.js: %w: %s", err, hint)
		}
	}
	version, err := run(exec.CommandContext(ctx, node, "--version"))
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", node, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return "", fmt.Errorf("%s is %s, want v%d or newer: %s", node, version, oldest, hint)
	}
	return node, nil
}

// Install sees to it that dir/node_modules is what dir/package-lock.json says: it runs npm ci, unless that has been done.
// No package's own scripts are run. Any number of processes may install one folder at the same time; the first does, the
// others wait for it.
func Install(ctx context.Context, dir string) error {
	if err := install(ctx, dir); err != nil {
		return fmt.Errorf("install the packages of %s: %w", dir, err)
	}
	return nil
}

func install(ctx context.Context, dir string) error {
	want, err := digest(dir)
	if err != nil {
		return err
	}
	done := filepath.Join(dir, "node_modules", stamp)
	unlock, err := lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if got, err := os.ReadFile(done); err == nil && string(got) == want {
		return nil
	}
	if err := os.Remove(done); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if _, err := run(cmd); err != nil {
		return fmt.Errorf("npm ci: %w", err)
	}
	// A lock file without packages leaves no folder.
	if err := os.MkdirAll(filepath.Dir(done), 0o777); err != nil {
		return err
	}
	return os.WriteFile(done, []byte(want), 0o666)
}

// digest is that of all that decides what is installed.
func digest(dir string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// lock holds the folder itself, so that no file is left behind. The kernel lets go of it when a process dies.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for others that install: %w", context.Cause(ctx)), f.Close())
		}
	}
}

// run is a program's output without the white space around it. The error has what it said.
func run(cmd *exec.Cmd) (string, error) {
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &all
	cmd.WaitDelay = killDelay
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s%s", err, out.Bytes(), all.Bytes())
	}
	return strings.TrimSpace(out.String()), nil
}
