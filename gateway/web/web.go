// Package web serves the page at / and the browser client library at /beckon/, both embedded as they are in the
// repository: there is no build step.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed page/* beckon/*.js beckon/beckon.d.ts beckon/package.json
var files embed.FS

// policy lets the page load only what is embedded here and talk only to its own gateway. Nothing inline, nothing evaluated.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one embedded file, ready to be sent.
type file struct {
	contentType   string
	tag           string // ETag: a hash of the content
	plain, zipped []byte
}

// Page serves the page at / and what belongs to it.
func Page() http.Handler {
	page := load("page")
	page["/"] = page["/index.html"]
	delete(page, "/index.html")
	return serve(page, func(h http.Header) {
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	})
}

// Library serves the client library below /beckon/. Pages of any origin may import it; whether they may connect is for the
// door to say.
func Library() http.Handler {
	return http.StripPrefix("/beckon", serve(load("beckon"), func(h http.Header) {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}))
}

func serve(files map[string]file, decorate func(http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		decorate(h)
		h.Set("Content-Type", f.contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // ask each time: the answer is 304 until the gateway is another
		h.Set("Vary", "Accept-Encoding")
		h.Set("ETag", f.tag)
		if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		body := f.plain
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.zipped
		}
		h.Set("Content-Length", fmt.Sprint(len(body)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // the only error is a client that has gone
		}
	})
}

// load prepares every file of a folder, by its URL path. What it reads is part of the program, so that it cannot fail.
func load(folder string) map[string]file {
	loaded := map[string]file{}
	err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		var zipped bytes.Buffer
		z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := z.Write(plain); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		sum := sha256.Sum256(plain)
		loaded[strings.TrimPrefix(name, folder)] = file{
			contentType: contentType(name),
			tag:         `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, // weak: zipped or not
			plain:       plain, zipped: zipped.Bytes(),
		}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("embedded files of %s: %v", folder, err))
	}
	return loaded
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".d.ts"):
		return "application/typescript; charset=utf-8"
	case path.Ext(name) == ".js": // mime.TypeByExtension looks into the machine's tables, which may say otherwise
		return "text/javascript; charset=utf-8"
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}
