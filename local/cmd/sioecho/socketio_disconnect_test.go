package main

import "testing"

func TestDisconnectFromTheMainNamespaceKeepsTheConnection(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		first := s.connect("")
		s.say(text("41"))
		if p, err := s.read(); err != nil || p != ping {
			t.Fatalf("heard %v (%v), want a ping", p, err)
		}
		s.say(pong)
		if s.connect("") == first {
			t.Error("the sid is that of the connection before")
		}
		s.goesOn()
	})
}

func TestDisconnectFromACustomNamespaceLeavesTheMainOne(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		for _, leave := range []string{"41/custom", "41/custom,"} {
			s := open()
			s.connect("")
			s.connect("/custom,")
			s.say(texts(leave, `42["message","message to main namespace"]`)...)
			s.hears(text(`42["message-back","message to main namespace"]`))
			s.connect("/custom,")
		}
	})
}

func TestDisconnectFromTheMainNamespaceLeavesACustomOne(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		s := open()
		s.connect("/custom,")
		s.connect("")
		s.say(texts("41", `42/custom,["message",1]`)...)
		s.hears(text(`42/custom,["message-back",1]`))
	})
}

// Nobody hears what is said to a namespace that has been left.
func TestEventAfterDisconnectCloses(t *testing.T) {
	onEach(t, socketio, func(t testing.TB, open func() *session) {
		for _, late := range []string{"", "/custom,"} {
			s := open()
			s.connect("")
			s.connect("/custom,")
			s.try(text("41" + late))
			s.try(text("42" + late + `["message","late"]`))
			s.ends()
		}
	})
}
