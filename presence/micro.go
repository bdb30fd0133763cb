package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/micro"

	"beckon/presence/roster"
	"beckon/shared/bus"
	"beckon/shared/wire"
)

const (
	// serviceVersion is that of the micro service's interface.
	serviceVersion = "1.0.0"
	// patience is how long a question waits for the replica, which is never busy for long.
	patience = time.Second
)

// The codes of the micro service's errors, in the header Nats-Service-Error-Code.
const (
	codeBadRequest  = "bad_request" // the request is wrong, the description says how
	codeUnavailable = "unavailable" // this replica cannot answer now
)

// addService makes the replica answer questions from anybody, as one of the instances of the NATS micro service
// "presence". Requests and replies are JSON; an empty request is {}.
func addService(conn *bus.Conn, r *replica, log *slog.Logger) (micro.Service, error) {
	log = log.With("component", "micro")
	service, err := micro.AddService(conn.NATS(), micro.Config{
		Name:        wire.PresenceService,
		Version:     serviceVersion,
		Description: "Who is logged in, and where.",
		Metadata:    map[string]string{"view": r.view},
	})
	if err != nil {
		return nil, fmt.Errorf("add the micro service: %w", err)
	}
	for _, e := range []struct {
		name, subject string
		handler       micro.HandlerFunc
	}{
		{"list", wire.ListSubject, answering(r, log, list)},
		{"count", wire.CountSubject, answering(r, log, count)},
		{"where", wire.WhereSubject, answering(r, log, where)},
	} {
		if err := service.AddEndpoint(e.name, e.handler, micro.WithEndpointSubject(e.subject)); err != nil {
			return nil, errors.Join(fmt.Errorf("add the endpoint %s: %w", e.name, err), service.Stop())
		}
	}
	return service, nil
}

// answering makes a handler of a function that checks a request, and gives what looks the answer up.
func answering[T any, P request[T]](
	r *replica, log *slog.Logger, check func(P) (func(*roster.Roster) any, error),
) micro.HandlerFunc {
	return func(req micro.Request) {
		err := func() error {
			var asked T
			if err := readRequest[T, P](req.Data(), &asked); err != nil {
				return req.Error(codeBadRequest, err.Error(), nil)
			}
			look, err := check(&asked)
			if err != nil {
				return req.Error(codeBadRequest, err.Error(), nil)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var reply any
			err = r.ask(ctx, func(r *roster.Roster) {
				if r.Complete() {
					reply = look(r)
				}
			})
			if err != nil || reply == nil {
				return req.Error(codeUnavailable, "this replica cannot answer now", nil)
			}
			data, err := json.Marshal(reply)
			if err != nil {
				return errors.Join(err, req.Error(codeUnavailable, "this replica cannot answer that", nil))
			}
			return req.Respond(data)
		}()
		if err != nil {
			log.Debug("a request was not answered", "subject", req.Subject(), "err", err)
		}
	}
}

// requestHeader is what every request may have.
type requestHeader struct {
	V *int `json:"v"` // the contract's version, this one unless given
}

func (h *requestHeader) version() *int { return h.V }

type request[T any] interface {
	*T
	version() *int
}

// readRequest reads strict JSON without members it does not know: one that it ignored might change what is asked for.
func readRequest[T any, P request[T]](data []byte, into *T) error {
	if len(data) > 0 {
		if err := json.Unmarshal(data, into, json.RejectUnknownMembers(true)); err != nil {
			return explain(err)
		}
	}
	if v := P(into).version(); v != nil && (*v < 1 || *v > wire.Version) {
		return fmt.Errorf("v must be 1 to %d", wire.Version)
	}
	return nil
}

// explain says what is wrong with a request without the decoder's words, which are about Go.
func explain(err error) error {
	var meaning *json.SemanticError
	if !errors.As(err, &meaning) {
		return errors.New("the request is not valid JSON")
	}
	name := strings.TrimPrefix(string(meaning.JSONPointer), "/")
	if len(name) > wire.MaxName {
		name = name[:wire.MaxName] + "..."
	}
	switch {
	case name == "":
		return errors.New("the request must be an object")
	case errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("%q is not a member of this request", name)
	default:
		return fmt.Errorf("%s has a value of the wrong type", name)
	}
}
