package socketio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"beckon/local/npm"
)

// endWait is for how long a driver may take to end once its input has.
const endWait = 10 * time.Second

// driver is a Node.js with clients in it, for one test.
type driver struct {
	t      *testing.T
	mode   mode // of clients
	cmd    *exec.Cmd
	input  io.WriteCloser
	killed bool
	stderr bytes.Buffer // to be read after ended

	ended  chan struct{} // closed when the process is gone and all that it said has been taken in
	status error         // of its end; to be read after ended

	mu      sync.Mutex
	peers   map[string]*peer
	numbers int           // of acks
	changed chan struct{} // closed and replaced at every change of what mu guards
	err     error         // what broke a rule that holds always, or the process' end
}

// peer is a client in the driver. Its fields are the driver's mutex' to guard.
type peer struct {
	*driver
	name       string
	named      string   // the user that it says it is; "" if it does not
	transports []string // of the present connection, one after the other
	trouble    []string // with upgrades
	ids        []string // one for each time that it connected
	events     []event  // not taken yet, but for lists
	list       []string // the latest of the present connection
	acks       map[int][]any
	errors     []any    // of "connect_error"
	reasons    []string // of "disconnect"
}

// event is what arrived at a client: a name and any number of arguments.
type event struct {
	name string
	args []any
}

func (e event) String() string { return e.name + " " + text(e.args) }

// drive starts a driver. It ends with the test, which fails if a client was sent an event that the test did not take, or
// used other transports than its mode says.
func drive(t *testing.T, m mode) *driver {
	t.Helper()
	cmd := exec.Command(npm.Node(t, "."), "driver.js")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{
		t: t, mode: m, cmd: cmd, input: input, ended: make(chan struct{}), changed: make(chan struct{}),
		peers: make(map[string]*peer),
	}
	cmd.Stderr = &d.stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the driver: %v", err)
	}
	go d.read(cmd, output)
	t.Cleanup(d.end)
	return d
}

func (d *driver) end() {
	if !d.t.Failed() && !d.killed {
		d.check()
	}
	_ = d.input.Close()
	late := time.AfterFunc(endWait, func() { _ = d.cmd.Process.Kill() })
	<-d.ended
	if late.Stop(); !d.killed && d.status != nil || d.stderr.Len() > 0 {
		d.t.Errorf("the driver ended: %v; it said:\n%s", d.status, d.stderr.Bytes())
	}
}

// kill ends the driver without a word of its clients. The system closes their connections.
func (d *driver) kill() {
	d.t.Helper()
	d.killed = true
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatalf("kill the driver: %v", err)
	}
	<-d.ended
}

// read takes in what the driver says, to its end.
func (d *driver) read(cmd *exec.Cmd, output io.Reader) {
	defer close(d.ended)
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := d.take(lines.Bytes()); err != nil {
			d.broken(err)
		}
	}
	d.status = errors.Join(lines.Err(), cmd.Wait())
	d.broken(errors.Join(errors.New("the driver is gone"), d.status))
}

// broken ends all waits. The first reason counts.
func (d *driver) broken(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
	d.announce()
}

// announce wakes whoever waits; d.mu is held.
func (d *driver) announce() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// take takes in a line, and holds what must be true of any.
func (d *driver) take(line []byte) error {
	var said struct {
		Client, Is string
		Args       []any
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("the driver said %q: %w", line, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.announce()
	unexpected := fmt.Errorf("%s: %s %s", said.Client, said.Is, text(said.Args))
	p := d.peers[said.Client]
	if p == nil {
		return unexpected
	}
	switch said.Is {
	case "opened":
		p.transports = []string{said.Args[0].(string)}
	case "upgraded":
		p.transports = append(p.transports, said.Args[0].(string))
	case "upgradeError": // which is nothing to one whom the door has sent away
		p.trouble = append(p.trouble, said.Args[0].(string))
	case "connect":
		id, ok := said.Args[0].(string)
		if !ok || p.named == "" && slices.Contains(p.ids, id) || p.named != "" && id != p.named {
			return unexpected // whoever has no name is somebody new each time
		}
		p.ids, p.list = append(p.ids, id), nil
	case "disconnect":
		p.reasons = append(p.reasons, said.Args[0].(string))
	case "connect_error":
		p.errors = append(p.errors, said.Args[0])
	case "ack":
		number := int(said.Args[0].(float64))
		if _, twice := p.acks[number]; twice {
			return unexpected
		}
		p.acks[number] = said.Args[1:]
	case "event":
		e := event{said.Args[0].(string), said.Args[1:]}
		if e.name != "updateUserlist" {
			p.events = append(p.events, e)
			break
		}
		list, ok := listOf(e.args)
		if !ok || len(p.ids) == len(p.reasons) {
			return unexpected
		}
		p.list = list
	default:
		return unexpected
	}
	return nil
}

// listOf is the list in the arguments of updateUserlist, which are one object with nothing else in it.
func listOf(args []any) (users []string, ok bool) {
	if len(args) != 1 {
		return nil, false
	}
	data, _ := args[0].(object)
	list, ok := data["userList"].([]any)
	if !ok || len(data) != 1 {
		return nil, false
	}
	for _, u := range list {
		user, ok := u.(string)
		if !ok || slices.Contains(users, user) {
			return nil, false
		}
		users = append(users, user)
	}
	return users, true
}

// tell sends a command.
func (d *driver) tell(command object) {
	d.t.Helper()
	line, err := json.Marshal(command)
	if err == nil {
		_, err = d.input.Write(append(line, '\n'))
	}
	if err != nil {
		d.t.Fatalf("tell the driver: %v", err)
	}
}

// await waits until good holds; d.mu is held while it is called. what says what is waited for, and what there is instead.
func (d *driver) await(good func() bool, what func() string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	for {
		d.mu.Lock()
		ok, err, changed, wanted := good(), d.err, d.changed, what()
		d.mu.Unlock()
		switch {
		case err != nil:
			d.t.Fatalf("%s: %v", wanted, err)
		case ok:
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			d.t.Fatalf("%s: %v", wanted, context.Cause(ctx))
		}
	}
}

// check holds the story's end against its beginning.
func (d *driver) check() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		d.t.Error(d.err)
	}
	for _, p := range d.peers {
		if len(p.events) > 0 {
			d.t.Errorf("%s was sent what nobody expected: %v", p.name, p.events)
		}
		if len(p.ids) > len(p.reasons) && !slices.Equal(p.transports, d.mode.uses) {
			d.t.Errorf("%s uses %q, want %q", p.name, p.transports, d.mode.uses)
		}
	}
}

// dial lets a client of that name begin to connect to a gateway. The options are socket.io-client's; nil for none, but for
// those that the mode has.
func (d *driver) dial(name, address string, options object) *peer {
	d.t.Helper()
	o := object{}
	maps.Copy(o, options)
	if d.mode.transports != nil {
		o["transports"] = d.mode.transports
	}
	p := &peer{driver: d, name: name, acks: make(map[int][]any)}
	if auth, ok := o["auth"].(object); ok {
		p.named, _ = auth["user"].(string)
	}
	d.mu.Lock()
	d.peers[name] = p
	d.mu.Unlock()
	d.tell(object{"do": "connect", "client": name, "url": "http://" + address, "options": o})
	return p
}

// as are the options of a client that says who it is.
func as(user string) object { return object{"auth": object{"user": user}} }

// connect is dial, and waits until the client is connected and upgraded.
func (d *driver) connect(name, address string, options object) *peer {
	d.t.Helper()
	p := d.dial(name, address, options)
	p.connected(1)
	return p
}

// connected waits until the client has been connected n times, and upgraded if it does that.
func (p *peer) connected(n int) {
	p.t.Helper()
	p.connectedOver(n, p.mode.uses...)
}

// connectedOver waits until the client has been connected n times, the last time over these transports so far.
func (p *peer) connectedOver(n int, uses ...string) {
	p.t.Helper()
	p.await(func() bool { return len(p.ids) == n && slices.Equal(p.transports, uses) }, func() string {
		return fmt.Sprintf("wait until %s is connected for the %d. time over %q: it was %d times, over %q, trouble %q", p.name, n,
			uses, len(p.ids), p.transports, p.trouble)
	})
}

// id is the client's own at present, by which others know it.
func (p *peer) id() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[len(p.ids)-1]
}

// emit sends an event that wants no answer.
func (p *peer) emit(name string, args ...any) {
	p.t.Helper()
	p.tell(emitting(p.name, name, args...))
}

// tellWhen sends a command for when a client, that may be yet to come, has come to a moment: "connect", "upgrading" or
// "upgrade".
func (d *driver) tellWhen(client, moment string, command object) {
	d.t.Helper()
	command["when"] = object{"client": client, "moment": moment}
	d.tell(command)
}

// emitting is the command to send an event that wants no answer.
func emitting(client, name string, args ...any) object {
	return object{"do": "emit", "client": client, "event": name, "args": some(args)}
}

// binary is an argument, or a part of one, that is bytes: base64.
func binary(base64 string) object { return object{"base64": base64} }

// some is an array in JSON, whether there are arguments or none.
func some(args []any) []any { return append([]any{}, args...) }

// ask sends an event and waits for the answer, which is one argument.
func (p *peer) ask(name string, args ...any) any {
	p.t.Helper()
	p.mu.Lock()
	p.numbers++
	number := p.numbers
	p.mu.Unlock()
	command := emitting(p.name, name, args...)
	command["number"] = number
	p.tell(command)
	var answer []any
	p.await(func() (ok bool) {
		answer, ok = p.acks[number]
		return ok
	}, func() string { return fmt.Sprintf("wait for the answer to %s's %s", p.name, name) })
	if len(answer) != 1 {
		p.t.Fatalf("%s's %s is answered %s, want one argument", p.name, name, text(answer))
	}
	return answer[0]
}

// outcome sends a signal and checks what becomes of it.
func (p *peer) outcome(want, name string, args ...any) {
	p.t.Helper()
	if got := p.ask(name, args...); !equal(got, object{"status": want}) {
		p.t.Fatalf("%s's %s %.200s: %s, want %s", p.name, name, text(args), text(got), want)
	}
}

// next waits for the next event but for lists.
func (p *peer) next() event {
	p.t.Helper()
	var e event
	p.await(func() bool {
		if len(p.events) == 0 {
			return false
		}
		e, p.events = p.events[0], p.events[1:]
		return true
	}, func() string { return fmt.Sprintf("wait for an event at %s", p.name) })
	return e
}

// gets waits for the next event, which is to be this one with exactly these arguments.
func (p *peer) gets(name string, args ...any) {
	p.t.Helper()
	if e := p.next(); e.name != name || !equal(e.args, some(args)) {
		p.t.Fatalf("%s got %.300s, want %.300s", p.name, e, event{name, args})
	}
}

// shows waits until the client's list is exactly this.
func (p *peer) shows(users ...string) {
	p.t.Helper()
	p.await(func() bool { return slices.Equal(p.list, users) }, func() string {
		return fmt.Sprintf("wait until %s shows %q: it shows %q", p.name, users, p.list)
	})
}

// showsAll waits until the client's list is these users, in whatever order.
func (p *peer) showsAll(users ...string) {
	p.t.Helper()
	want := slices.Sorted(slices.Values(users))
	p.await(func() bool { return slices.Equal(slices.Sorted(slices.Values(p.list)), want) }, func() string {
		return fmt.Sprintf("wait until %s shows %q in some order: it shows %q", p.name, users, p.list)
	})
}

// shown is the client's list.
func (p *peer) shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// leave has the client disconnect.
func (p *peer) leave() {
	p.t.Helper()
	p.mu.Lock()
	n := len(p.reasons)
	p.mu.Unlock()
	p.tell(object{"do": "close", "client": p.name})
	if reason := p.disconnected(n + 1); reason != "io client disconnect" {
		p.t.Fatalf("%s: %s", p.name, reason)
	}
}

// disconnected waits until the client has lost its connection for the nth time, and says why it believes that.
func (p *peer) disconnected(n int) (reason string) {
	p.t.Helper()
	p.await(func() bool { return len(p.reasons) == n }, func() string {
		return fmt.Sprintf("wait until %s is disconnected for the %d. time: it was %q", p.name, n, p.reasons)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reasons[n-1]
}

// refused waits for the nth error that a connection ended in.
func (p *peer) refused(n int) any {
	p.t.Helper()
	p.await(func() bool { return len(p.errors) == n }, func() string {
		return fmt.Sprintf("wait until %s is refused for the %d. time: it was %s", p.name, n, text(p.errors))
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors[n-1]
}

// equal compares as JSON does.
func equal(got, want any) bool {
	var a, b any
	return json.Unmarshal([]byte(text(got)), &a) == nil && json.Unmarshal([]byte(text(want)), &b) == nil && reflect.DeepEqual(a, b)
}

// text is JSON of what came as JSON.
func text(v any) string {
	s, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v (%v)", v, err)
	}
	return string(s)
}
