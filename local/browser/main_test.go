package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site serves testdata under a CSP that allows little.
type site struct {
	*httptest.Server
	byes chan struct{} // one for each page that was left
}

func serve(t *testing.T) *site {
	t.Helper()
	s := &site{byes: make(chan struct{}, 10)} // more than any test leaves
	mux := http.NewServeMux()
	files := http.FileServerFS(os.DirFS("testdata"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /bye", func(http.ResponseWriter, *http.Request) { s.byes <- struct{}{} })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// heardBye waits until a page has said that it is left.
func (s *site) heardBye(t *testing.T) {
	t.Helper()
	select {
	case <-s.byes:
	case <-time.After(patience):
		t.Error("nobody has said good-bye")
	}
}

// open is a page in a browser of its own that shows the site.
func open(t *testing.T, o Options) (*Page, *site) {
	t.Helper()
	t.Setenv("BECKON_ARTEFACTS", t.TempDir())
	s := serve(t)
	p := Start(t, o).Page("alice")
	p.Open(s.URL)
	return p, s
}

// script evaluates what gives a text.
func (p *Page) script(expression string) (text string) {
	p.b.t.Helper()
	p.Eval(expression, &text)
	return text
}

// status waits for the text of the page's status.
func (p *Page) status(text string) {
	p.b.t.Helper()
	p.WaitFor(fmt.Sprintf("document.getElementById('status').textContent === %q", text))
}

// witness takes a test's failures instead of the test.
type witness struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (w *witness) Helper() {}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

// failures are what a test would have failed with, in a browser that has little patience.
func (b *Browser) failures(do func()) string {
	w := &witness{TB: b.t}
	before := b.patience
	b.t, b.patience = w, time.Second
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
	b.t, b.patience = w.TB, before
	return strings.Join(w.said, "\n")
}

// mentions checks that all of these are in a text.
func mentions(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}
