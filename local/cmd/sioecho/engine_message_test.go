package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestMessagesOfPollingAreSentAndReceived(t *testing.T) {
	for name, payload := range map[string]string{
		"one text packet":           "4hello",
		"several text packets":      "4test1\x1e4test2\x1e4test3",
		"text and binary packets":   "4hello\x1ebAQIDBA==",
		"binary packets":            "bAQ==\x1ebAQI=\x1ebAQID",
		"an empty message":          "4",
		"an empty binary message":   "b",
		"text that looks like more": "4b\x1e44\x1e41\x1e4{}\x1e42probe",
		"text outside of ASCII":     "4h\u00e9llo \u20ac \U0001f642 \u2028 \x00",
	} {
		t.Run(name, func(t *testing.T) {
			s := openPolling(t, quietEngine)
			url := s.transport.(*polling).url
			a := post(t, url, payload)
			a.is(t, http.StatusOK, "ok")
			a = get(t, url)
			a.is(t, http.StatusOK, payload)
			if a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers of a poll's answer: %v", a.header)
			}
		})
	}
}

func TestMessagesOfWebSocketAreSentAndReceived(t *testing.T) {
	for name, packets := range map[string][]packet{
		"one text packet":           texts("4hello"),
		"one binary packet":         {binary("\x01\x02\x03\x04")},
		"several packets":           {text("4a"), binary("\x00"), text("4b"), text("4c"), binary("\xff\xfe")},
		"an empty message":          texts("4"),
		"an empty binary message":   {binary("")},
		"text that looks like more": texts("4b", "44", "41", "4{}", "42probe", "4a\x1e4b"),
		"text outside of ASCII":     texts("4h\u00e9llo \u20ac \U0001f642 \u2028 \x00"),
	} {
		t.Run(name, func(t *testing.T) {
			s := openWebSocket(t, engine)
			s.say(packets...)
			s.hears(packets...)
		})
	}
}

func TestMessageReleasesAWaitingPoll(t *testing.T) {
	s := openPolling(t, quietEngine)
	poll := waiting(t, s.transport.(*polling).url)
	s.say(text("4hello"))
	poll.answer(t).is(t, http.StatusOK, "4hello")
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	onEach(t, engine, func(t testing.TB, open func() *session) {
		s := open()
		var sent []packet
		for i := range 50 {
			more := []packet{text(fmt.Sprintf("4%d", i)), binary(fmt.Sprint(i)), text(fmt.Sprintf("4%d again", i))}
			s.say(more...)
			sent = append(sent, more...)
			if i%10 == 9 {
				s.hears(sent...)
				sent = nil
			}
		}
	})
}

func TestMessagesAsLongAsMaxPayload(t *testing.T) {
	onEach(t, engine, func(t testing.TB, open func() *session) {
		longest := text("4" + strings.Repeat("x", maxPayload-1))
		s := open()
		s.say(longest)
		s.hears(longest)
		s.goesOn()
	})
}

func TestSessionIsClosedUponAnInvalidPacket(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		url := openPolling(t, engine).transport.(*polling).url
		post(t, url, "abc").badRequest(t)
		get(t, url).refusal(t, 1, "Session ID unknown")
	})
	t.Run("WebSocket", func(t *testing.T) {
		s := openWebSocket(t, engine)
		s.say(text("abc"))
		s.ends()
	})
}

func TestSessionIsClosedUponDuplicatePolls(t *testing.T) {
	inQuiet(t, func(t *testing.T, e *echoServer) {
		url := openPolling(t, e).transport.(*polling).url
		first := waiting(t, url)
		second := waiting(t, url+"&t=second")
		a, b := first.answer(t), second.answer(t)
		if a.status != http.StatusOK { // the second came first
			a, b = b, a
		}
		a.is(t, http.StatusOK, "1")
		b.badRequest(t)
		get(t, url).refusal(t, 1, "Session ID unknown")
		e.serves(t)
	})
}
