package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Page is one person's window: a tab with cookies, storage and permissions that no other page has. Camera and microphone
// are granted; see [Page.Deny]. Its methods are for the goroutine of the test, which they end when something is not as
// asked for.
type Page struct {
	b       *Browser
	name    string
	ctx     context.Context // chromedp's, of the tab
	storage cdp.BrowserContextID
	tab     target.ID
	closed  chan struct{} // closed when the tab is gone
	dialogs sync.WaitGroup
	blamed  bool // the test's failure has been told

	mu       sync.Mutex
	ended    bool // dialogs are answered no more
	expected []string
	console  []entry
}

// Page opens another page, empty as yet. The name is what failures and their screenshots call it.
func (b *Browser) Page(name string) *Page {
	b.t.Helper()
	p := &Page{b: b, name: name, closed: make(chan struct{})}
	if err := p.create(); err != nil {
		b.t.Fatalf("%s: open a page: %v", name, err)
	}
	b.pages = append(b.pages, p)
	err := p.try(func(ctx context.Context) error {
		// Of several pages only one would have the focus otherwise, and take keys.
		return cdp.Execute(ctx, "Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil)
	})
	if err != nil {
		p.fail("open", err)
	}
	p.Grant("camera", "microphone")
	return p
}

func (p *Page) create() error {
	// As in Start: a deadline of the first Run would be that of the page.
	ctx, cancel := context.WithCancel(p.b.ctx)
	slow := time.AfterFunc(patience, cancel)
	defer slow.Stop()
	whole := p.b.executor(ctx)
	var err error
	// Not chromedp's own way, which asks for a tab: a context of its own has no window yet that a tab could be in.
	if p.storage, err = target.CreateBrowserContext().WithDisposeOnDetach(true).Do(whole); err != nil {
		return fmt.Errorf("create a context: %w", err)
	}
	p.tab, err = target.CreateTarget("about:blank").WithBrowserContextID(p.storage).WithNewWindow(true).Do(whole)
	if err != nil {
		return fmt.Errorf("create a window: %w", err)
	}
	gone := sync.OnceFunc(func() { close(p.closed) })
	chromedp.ListenBrowser(p.b.ctx, func(event any) {
		if e, ok := event.(*target.EventTargetDestroyed); ok && e.TargetID == p.tab {
			gone()
		}
	})
	p.ctx, _ = chromedp.NewContext(ctx, chromedp.WithTargetID(p.tab))
	chromedp.ListenTarget(p.ctx, p.hear)
	return chromedp.Run(p.ctx)
}

// executor directs commands to the browser as a whole.
func (b *Browser) executor(ctx context.Context) context.Context {
	return cdp.WithExecutor(ctx, chromedp.FromContext(b.ctx).Browser)
}

// hear takes the tab's events. It must not wait for the tab, which says nothing else meanwhile.
func (p *Page) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		p.note(ofConsole(e))
	case *runtime.EventExceptionThrown:
		p.note(ofException(e))
	case *log.EventEntryAdded:
		p.note(ofLog(e))
	case *inspector.EventTargetCrashed:
		p.note(entry{"crash", "the page has crashed", true})
	case *page.EventJavascriptDialogOpening:
		// It stops everything else, so nobody in a test could answer it. To leave the page is what tests do on purpose.
		leave := e.Type == page.DialogTypeBeforeunload
		if !leave {
			p.note(entry{"dialog", e.Message, true})
		}
		p.answer(leave)
	}
}

// answer answers a dialog, yes or no, in a goroutine that close waits for.
func (p *Page) answer(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.dialogs.Go(func() {
			_ = p.within(patience, func(ctx context.Context) error { return page.HandleJavaScriptDialog(yes).Do(ctx) })
		})
	}
}

// try does something to the page, for as long as the browser's patience lasts.
func (p *Page) try(do func(context.Context) error) error { return p.within(p.b.patience, do) }

func (p *Page) within(limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.ActionFunc(do))
	switch {
	case p.b.ctx.Err() != nil:
		return errors.Join(err, errors.New("the browser has ended"))
	case p.ctx.Err() != nil:
		return errors.Join(err, errors.New("the page is closed"))
	}
	return err
}

// await tries until it works. The error is that of the last attempt that was not cut short.
func (p *Page) await(try func(context.Context) error) error {
	var last error
	err := p.try(func(ctx context.Context) error {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			err := try(ctx)
			if err == nil {
				return nil
			}
			if ctx.Err() == nil {
				last = err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	if err != nil && last != nil {
		return fmt.Errorf("%w (%w)", last, err)
	}
	return err
}

// fail ends the test and says what the page looks like.
func (p *Page) fail(doing string, err error) {
	p.b.t.Helper()
	p.blamed = true
	p.b.t.Fatalf("%s: %s: %v\n%s", p.name, doing, err, p.state())
}

// state is what somebody who looks for a fault wants to see of the page.
func (p *Page) state() string {
	ctx, cancel := context.WithTimeout(p.ctx, closeWait)
	defer cancel()
	var url, text, screen string
	err := chromedp.Run(ctx, chromedp.Location(&url), chromedp.ActionFunc(func(ctx context.Context) error {
		nodes, err := fullTree(ctx)
		text = treeText(nodes)
		return err
	}), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		screen, err = capture(ctx, p.b.t.Name()+"-"+p.name+"-failed")
		return err
	}))
	var s strings.Builder
	fmt.Fprintf(&s, "the page %s at %s, screenshot %s", p.name, url, screen)
	if err != nil {
		fmt.Fprintf(&s, ", as far as it can be seen (%v)", err)
	}
	fmt.Fprintf(&s, "\n%s", text)
	for _, e := range p.lastConsole() {
		fmt.Fprintf(&s, "%s\n", e)
	}
	return s.String()
}

// Open goes to a URL and waits until the page is loaded.
func (p *Page) Open(url string) {
	p.b.t.Helper()
	err := p.try(func(ctx context.Context) error {
		response, err := chromedp.RunResponse(ctx, chromedp.Navigate(url))
		if err == nil && response != nil && response.Status >= 400 {
			err = fmt.Errorf("status %d", response.Status)
		}
		return err
	})
	if err != nil {
		p.fail("open "+url, err)
	}
}

// Eval evaluates a JavaScript expression, or the promise that it gives, into a Go value as encoding/json would; into
// may be nil. It is no click: the page does not take it for a sign that somebody is there. What the page's CSP forbids it
// may not do either.
func (p *Page) Eval(expression string, into any) {
	p.b.t.Helper()
	if err := p.try(func(ctx context.Context) error { return evaluate(ctx, expression, into) }); err != nil {
		p.fail("evaluate "+short(expression), err)
	}
}

func evaluate(ctx context.Context, expression string, into any) error {
	v, thrown, err := runtime.Evaluate(expression).WithAwaitPromise(true).WithReturnByValue(true).
		WithAllowUnsafeEvalBlockedByCSP(false).Do(ctx)
	switch {
	case err != nil:
		return err
	case thrown != nil:
		return errors.New(exceptionText(thrown))
	case into == nil:
		return nil
	case v.Value == nil:
		return fmt.Errorf("it is %s, which no Go value can hold", describe(v))
	}
	return json.Unmarshal(v.Value, into)
}

// WaitFor waits until a JavaScript expression is true, or a promise that it gives. The page looks whenever it draws, and
// at least ten times a second. An expression that throws is not true yet, and one that the page has navigated away from
// is asked again on the new page.
func (p *Page) WaitFor(expression string) {
	p.b.t.Helper()
	look := `(async () => {
		for (const end = performance.now() + 2000; performance.now() < end;) {
			if (await (` + expression + `)) return true;
			await new Promise((next) => { requestAnimationFrame(next); setTimeout(next, 100); });
		}
		return false;
	})()`
	err := p.await(func(ctx context.Context) error {
		var yes bool
		if err := evaluate(ctx, look, &yes); err != nil {
			return err
		}
		if !yes {
			return errors.New("it is not")
		}
		return nil
	})
	if err != nil {
		p.fail("wait until "+short(expression), err)
	}
}

func short(expression string) string {
	s := strings.Join(strings.Fields(expression), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// Grant lets the page use these devices, "camera" and "microphone", as if its user had said yes.
func (p *Page) Grant(devices ...string) {
	p.b.t.Helper()
	p.permit(browser.PermissionSettingGranted, devices)
}

// Deny refuses these devices, as if its user had said no. A page keeps what it has got already.
func (p *Page) Deny(devices ...string) {
	p.b.t.Helper()
	p.permit(browser.PermissionSettingDenied, devices)
}

func (p *Page) permit(setting browser.PermissionSetting, devices []string) {
	p.b.t.Helper()
	for _, device := range devices {
		// Not Chromium's --use-fake-ui-for-media-stream: it says yes on every page, whatever the permission is.
		err := p.try(func(ctx context.Context) error {
			return browser.SetPermission(&browser.PermissionDescriptor{Name: device}, setting).
				WithBrowserContextID(p.storage).Do(p.b.executor(ctx))
		})
		if err != nil {
			p.fail(fmt.Sprintf("permission for %s: %s", device, setting), err)
		}
	}
}

// Offline takes the page's network away, or gives it back: navigator.onLine and its events say so, requests fail, and no
// WebSocket opens. One that is open stays so: Chromium 156 holds back what it says and hears until the network is there
// again, as older versions do not. To cut or stall it there is package tamper.
func (p *Page) Offline(off bool) {
	p.b.t.Helper()
	err := p.try(func(ctx context.Context) error {
		// Deprecated, and so no longer in cdproto, but known to every version.
		return cdp.Execute(ctx, "Network.emulateNetworkConditions", map[string]any{
			"offline": off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
		}, nil)
	})
	if err != nil {
		p.fail(fmt.Sprintf("offline %v", off), err)
	}
}

// CloseTab closes the page as its user would: it may say good-bye, and is gone.
func (p *Page) CloseTab() {
	p.b.t.Helper()
	if err := p.close(); err != nil {
		p.fail("close", err)
	}
}

func (p *Page) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

func (p *Page) close() error {
	if p.isClosed() {
		return nil
	}
	err := p.try(func(ctx context.Context) error {
		if err := page.Close().Do(ctx); err != nil {
			return err
		}
		select {
		case <-p.closed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.dialogs.Wait()
	_ = chromedp.Cancel(p.ctx) // which would close the tab, if it were not closed
	return err
}

// finish is the end of the page with its test.
func (p *Page) finish() {
	t := p.b.t
	if t.Failed() && !p.blamed && !p.isClosed() {
		t.Log(p.state())
	}
	p.Clean()
	if err := p.close(); err != nil {
		t.Errorf("%s: close: %v", p.name, err)
	}
}
