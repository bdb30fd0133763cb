// sioecho is a server under test: an echo over Engine.IO or over Socket.IO, set up as the protocols' documents ask of one.
// The protocols' own test suites run against it.
//
//	sioecho -addr 127.0.0.1:3000 -mode socketio
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"beckon/gateway/socketio/engineio"
	"beckon/gateway/socketio/sio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sioecho:", err)
		os.Exit(1)
	}
}

// What the documents ask for.
var (
	options     = engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 1_000_000}
	connectTime = time.Second
)

// run serves until ctx ends, and says where.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sioecho", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:3000", "`address` to listen on")
	mode := flags.String("mode", "socketio", "what to echo: engine or socketio")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	var server interface {
		http.Handler
		Close()
	}
	switch *mode {
	case "engine":
		server = engineEcho()
	case "socketio":
		server = socketEcho()
	default:
		return fmt.Errorf("-mode %s: want engine or socketio", *mode)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(out, "listening on %s\n", listener.Addr())

	web := &http.Server{Handler: server, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	select {
	case <-ctx.Done():
	case err := <-served:
		return errors.Join(fmt.Errorf("serve: %w", err), listener.Close())
	}
	server.Close()
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := web.Shutdown(shutdown); err != nil {
		_ = web.Close() // on who has connected and says nothing
	}
	<-served
	return nil
}

// engineEcho sends back every message.
func engineEcho() *engineio.Server {
	o := options
	o.Open = func(s *engineio.Session, _ *http.Request) engineio.Handler { return echo{s} }
	return engineio.New(o)
}

type echo struct{ session *engineio.Session }

func (e echo) Message(data []byte, binary bool) error {
	e.session.Send(true, engineio.Message(data, binary))
	return nil
}

func (echo) Closed(engineio.Reason) {}

// socketEcho tells who connects what he said of himself, and sends events back.
func socketEcho() *sio.Server {
	return sio.New(sio.Options{
		Engine: options, ConnectTimeout: connectTime, Namespaces: []string{"/", "/custom"},
		Connect: func(s *sio.Socket) {
			s.Accept(rand.Text())
			s.Emit("auth", sio.Args{Values: []json.RawMessage{s.Auth}})
		},
		Event: func(s *sio.Socket, e *sio.Event) error {
			args, err := e.Args()
			switch {
			case err != nil:
				return err
			case e.Name == "message":
				s.Emit("message-back", args)
			case e.Name == "message-with-ack":
				e.Ack.Send(args)
			}
			return nil
		},
	})
}
