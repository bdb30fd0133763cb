package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, url string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryFileHasItsType(t *testing.T) {
	types := map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8",
		"/page.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	}
	for url, want := range types {
		r := get(Page(), url)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s, %s", url, r.Status, r.Header)
		}
	}
	for url, want := range map[string]string{
		"/beckon/beckon.js": "text/javascript; charset=utf-8", "/beckon/beckon.d.ts": "application/typescript; charset=utf-8",
		"/beckon/package.json": "application/json",
	} {
		r := get(Library(), url)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want || r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %s, %s", url, r.Status, r.Header)
		}
	}
	for _, url := range []string{"/index.html", "/nothing", "/page.css/", "/beckon", "/../web.go"} {
		if r := get(Page(), url); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", url, r.Status)
		}
	}
	for _, url := range []string{"/beckon/", "/beckon/README.md", "/beckon/page.js"} {
		if r := get(Library(), url); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", url, r.Status)
		}
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	first := get(Page(), "/page.js")
	tag := first.Header.Get("ETag")
	if again := get(Page(), "/page.js", "If-None-Match", tag); again.StatusCode != http.StatusNotModified || len(body(t, again)) > 0 {
		t.Errorf("with its own ETag: %s", again.Status)
	}
	if other := get(Page(), "/page.js", "If-None-Match", get(Page(), "/page.css").Header.Get("ETag")); other.StatusCode != http.StatusOK {
		t.Errorf("with another's ETag: %s", other.Status)
	}
}

func TestFilesAreZippedForThoseWhoTakeThem(t *testing.T) {
	plain := body(t, get(Page(), "/page.css"))
	r := get(Page(), "/page.css", "Accept-Encoding", "br, gzip")
	if r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers %v", r.Header)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(unzipped, plain) {
		t.Errorf("unzipped is something else (%v)", err)
	}
}

func TestPolicyIsStrict(t *testing.T) {
	for url := range load("page") {
		if url == "/index.html" {
			url = "/"
		}
		got := get(Page(), url).Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(got, "default-src 'none'; ") || strings.Contains(got, "unsafe") || strings.Contains(got, "*") {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// What the policy forbids would fail only in a browser, and perhaps only in a corner of the page.
func TestPageHasNothingInline(t *testing.T) {
	page := string(body(t, get(Page(), "/")))
	for _, inline := range []string{`<style`, `\sstyle=`, `\son[a-z]+=`, `<script[^>]*>[^<]`, `javascript:`, `https?://`} {
		if found := regexp.MustCompile(inline).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
}

// Whatever is named in the page and in the modules is there: an embedded file that was forgotten would be a blank page.
func TestEverythingNamedIsServed(t *testing.T) {
	page, library := load("page"), load("beckon")
	mux := http.NewServeMux()
	mux.Handle("/", Page())
	mux.Handle("/beckon/", Library())
	check := func(from, name string) {
		t.Helper()
		url := path.Join(path.Dir(from), name)
		if r := get(mux, url); r.StatusCode != http.StatusOK {
			t.Errorf("%s names %s: %s", from, url, r.Status)
		}
	}
	seen := 0
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(string(page["/index.html"].plain), -1) {
		check("/index.html", m[1])
		seen++
	}
	imports := regexp.MustCompile(`(?m)^(?:import|export)[^;]* from "([^"]+)"`)
	for prefix, files := range map[string]map[string]file{"": page, "/beckon": library} {
		for name, f := range files {
			if path.Ext(name) != ".js" {
				continue
			}
			for _, m := range imports.FindAllSubmatch(f.plain, -1) {
				check(prefix+name, string(m[1]))
				seen++
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d names were found", seen)
	}
}

// The library's README says how small it is.
func TestLibraryIsSmall(t *testing.T) {
	zipped := 0
	modules, err := fs.Glob(files, "beckon/*.js")
	if err != nil {
		t.Fatal(err)
	}
	library := load("beckon")
	for _, m := range modules {
		zipped += len(library[strings.TrimPrefix(m, "beckon")].zipped)
	}
	t.Logf("%d modules, %d bytes zipped", len(modules), zipped)
	if zipped > 16_000 {
		t.Errorf("the modules have %d bytes zipped", zipped)
	}
}
