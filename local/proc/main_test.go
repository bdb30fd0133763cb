package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childRole makes this test's executable one of the programs that the tests run.
const childRole = "PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := child(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a program: a server on args[0] whose /readyz is fine, that ends when it is told to, unless its role is another.
func child(role string, args []string) error {
	terminate := make(chan os.Signal, 1) // the runtime fills it; one is enough
	signal.Notify(terminate, syscall.SIGTERM)
	switch role {
	case "failing":
		return errors.New("no such luck")
	case "parent":
		// Its own child is to end with it.
		if err := os.Setenv(childRole, "server"); err != nil {
			return err
		}
		if err := New(Spec{Name: "grandchild", Path: os.Args[0], Args: args[1:], Ready: Listening(args[1])}).Start(context.Background()); err != nil {
			return err
		}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if role == "unready" {
			http.Error(w, "the moon is missing", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/spin", func(http.ResponseWriter, *http.Request) {
		for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		}
	})
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	failed := make(chan error, 1) // one place, so that the server never waits
	go func() { failed <- http.Serve(l, mux) }()
	fmt.Println("serving on", args[0])
	select {
	case err := <-failed:
		return err
	case <-terminate:
		fmt.Println("asked to end")
		return nil
	}
}
