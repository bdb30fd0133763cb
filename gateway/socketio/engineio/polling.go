package engineio

import (
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"beckon/gateway/frames"
	"beckon/gateway/socket"
)

// noopWait is for how long a GET may still wait when a WebSocket is being tried: its client may be about to say that it
// moves there, and a GET that is on its way beside that comes too late.
const noopWait = 100 * time.Millisecond

// overtakeWait is for how long a POST that closes the session waits for a GET when there is none: one that was sent before it,
// over another connection, is to hear of the close, and may be a moment late.
const overtakeWait = 50 * time.Millisecond

// poll is a GET that waits.
type poll struct {
	woken chan struct{} // one slot: there is something to look at
	tried bool          // it came when a WebSocket was being tried; owned by its handler
	noop  bool          // it is to return, whether there is something or not; owned by its handler
	last  bool          // what it is answered with ends with the close packet; owned by its handler
}

func (p *poll) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// poll answers a GET with the packets that are queued, when there are any. A second GET beside one that waits is an error
// that ends the session, and so is one that the client aborts: packets may be lost with it.
func (s *Session) poll(w http.ResponseWriter, r *http.Request) {
	// net/http would take the end of its time for reading a request for the end of the client.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // unsupported only where there is none
	p := &poll{woken: make(chan struct{}, 1)}
	s.mu.Lock()
	refusal := s.unserved(!s.closing)
	second := s.waiting != nil
	if refusal == nil && !second {
		s.waiting, p.tried = p, s.probe != nil
		if s.polled != nil {
			close(s.polled)
			s.polled = nil
		}
	}
	s.mu.Unlock()
	if s.turnAway(w, refusal, second) {
		return
	}

	if sock := socket.FromContext(r.Context()); sock != nil {
		sock.Established() // while it waits
		defer s.idle(sock)
	}
	var late <-chan time.Time
	for {
		batch, answer, refusal, probed := s.look(p)
		if probed && late == nil {
			timer := time.NewTimer(noopWait)
			defer timer.Stop()
			late = timer.C
		}
		switch {
		case len(batch) > 0:
			s.answer(w, p, batch)
			return
		case answer != nil:
			respond(w, answer)
			return
		case refusal != nil:
			refuse(w, refusal)
			return
		}
		select {
		case <-p.woken:
		case <-late:
			p.noop = true
		case <-r.Context().Done():
			s.mu.Lock()
			s.waiting = nil
			moved := s.upgraded.Load()
			s.mu.Unlock()
			if !moved {
				s.end(Gone)
			}
			return
		}
	}
}

// unserved says, under mu, why a request is not served by polling; nil if it is. Whether it is when the session is closed is
// not always the same.
func (s *Session) unserved(closed bool) *Refusal {
	switch {
	case s.closed && closed:
		return &unknownSession
	case s.upgraded.Load():
		return &badRequest
	}
	return nil
}

// turnAway refuses a request, if it is to be; one beside another of its kind ends the session.
func (s *Session) turnAway(w http.ResponseWriter, refusal *Refusal, second bool) bool {
	if refusal == nil && second {
		s.end(BadData)
		refusal = &badRequest
	}
	if refusal != nil {
		refuse(w, refusal)
	}
	return refusal != nil
}

// look looks for what a GET can be answered with, and if there is something it waits no more.
func (s *Session) look(p *poll) (batch []frames.Frame, answer []byte, refusal *Refusal, probed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch = s.out.Take()
	switch {
	case len(batch) > 0:
		if p.last = s.closed; p.last {
			s.closing = false // the client is being told
		}
	case s.closed, p.noop, s.upgraded.Load() && !p.tried:
		answer = []byte{packetNoop}
	case s.upgraded.Load(): // by the WebSocket that was tried: it came after that, or as good as after that
		refusal = &badRequest
	default:
		return nil, nil, nil, s.probed
	}
	s.waiting = nil
	return batch, answer, refusal, false
}

// answer writes packets.
func (s *Session) answer(w http.ResponseWriter, p *poll, batch []frames.Frame) {
	payload := batch[0].Data
	if len(batch) > 1 || batch[0].Binary {
		payload = appendPayload(make([]byte, 0, payloadSize(batch)), batch)
	}
	err := respond(w, payload)
	s.out.Wrote(len(batch))
	if err != nil {
		s.end(Gone)
	}
	if p.last {
		s.server.clock.Set(&s.rest, time.Now(), s.forget)
	}
}

// respond writes a payload.
func respond(w http.ResponseWriter, payload []byte) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(writeWait)) // unsupported only where there is none
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	if _, err := w.Write(payload); err != nil {
		return err
	}
	return rc.Flush()
}

// post takes the packets of a POST. Whatever is wrong with them ends the session.
func (s *Session) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refusal := s.unserved(true)
	second := s.posting
	if refusal == nil && !second {
		s.posting = true
		s.vouch(socket.FromContext(r.Context()))
	}
	s.mu.Unlock()
	if s.turnAway(w, refusal, second) {
		return
	}
	why, refusal := s.take(w, r)
	if why == ClientClosed {
		s.awaitPoll()
	}
	s.mu.Lock()
	s.posting = false
	s.mu.Unlock()
	if why != 0 {
		s.end(why)
	}
	if refusal != nil {
		refuse(w, refusal)
		return
	}
	_ = respond(w, []byte("ok")) // the client that does not hear it ends the session
}

// awaitPoll waits for a GET, until overtakeWait has passed.
func (s *Session) awaitPoll() {
	s.mu.Lock()
	if s.waiting != nil {
		s.mu.Unlock()
		return
	}
	polled := make(chan struct{})
	s.polled = polled
	s.mu.Unlock()
	patience := time.NewTimer(overtakeWait)
	defer patience.Stop()
	select {
	case <-polled:
	case <-s.ended:
	case <-patience.C:
	}
}

// vouch notes, under mu, that a connection is the one over which the client posts: it stays open between its pongs, and is not one
// of those that have still to say what they want. A session vouches for one of them.
func (s *Session) vouch(sock *socket.Conn) {
	before := s.vouched
	if sock == before {
		return
	}
	s.vouched = sock
	if sock != nil {
		sock.Established()
	}
	if before != nil {
		before.Pending()
	}
}

// idle notes that a poll has been answered over a connection.
func (s *Session) idle(sock *socket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vouched != sock {
		sock.Pending()
	}
}

// take reads a POST and takes its packets. It says why the session is to end, if it is.
func (s *Session) take(w http.ResponseWriter, r *http.Request) (why Reason, refusal *Refusal) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v, debug.Stack())
			why, refusal = Fault, &fault
		}
	}()
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.EqualFold(strings.TrimSpace(kind), "application/octet-stream") {
		return BadData, &badRequest // as version 3 had it
	}
	payload, err := readBody(w, r, s.server.o.MaxPayload)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return Flood, &tooLarge
	case err != nil:
		return Gone, &badRequest
	case !utf8.Valid(payload):
		return BadData, &badRequest
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	closed := false
	err = eachPacket(payload, func(packet []byte) error {
		select {
		case <-s.ended:
			return errEnded
		default:
		}
		err := s.allowed(len(packet))
		if err != nil {
			return err
		}
		if len(packet) > 0 && packet[0] == packetBinary {
			var data []byte
			if data, err = decodeBinary(packet[1:]); err == nil {
				err = s.deliver(data, true)
			}
			return err
		}
		closed, err = s.packet(packet)
		if err == nil && closed {
			err = errEnded
		}
		return err
	})
	switch {
	case closed && errors.Is(err, errEnded):
		return ClientClosed, nil
	case errors.Is(err, errEnded):
		return 0, nil
	case err != nil:
		return faultOf(err), &badRequest
	}
	return 0, nil
}

// errEnded ends the reading of a payload whose session has ended.
var errEnded = errors.New("the session has ended")

// readBody reads a body of at most so many bytes. A long one has its memory when it has come, not when it is announced.
func readBody(w http.ResponseWriter, r *http.Request, most int) ([]byte, error) {
	if r.ContentLength > int64(most) {
		return nil, &http.MaxBytesError{Limit: int64(most)}
	}
	body := http.MaxBytesReader(w, r.Body, int64(most))
	if r.ContentLength < 0 || r.ContentLength > longBody {
		return io.ReadAll(body)
	}
	payload := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, payload)
	return payload, err
}

const longBody = 16 << 10
