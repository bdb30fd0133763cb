package deploy

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Where accounts are JWTs the services come with credentials files, and the permissions, exports and imports of
// docs/deploy/nats/nats-server.conf are enough for them.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	opts := clusterOptions(t)
	operator, operatorID := newKey(t, nkeys.CreateOperator)
	accounts := map[string]nkeys.KeyPair{}
	ids := map[string]string{}
	for _, a := range opts.Accounts {
		accounts[a.Name], ids[a.Name] = newKey(t, nkeys.CreateAccount)
	}

	var preload strings.Builder
	for name, claims := range map[string]*jwt.AccountClaims{
		"BECKON": jwt.NewAccountClaims(ids["BECKON"]), "BACKENDS": jwt.NewAccountClaims(ids["BACKENDS"]),
	} {
		claims.Name = name
		for _, subject := range []string{"signal.*", "presence.list", "presence.count", "presence.where"} {
			if name == "BECKON" {
				export := &jwt.Export{Name: subject, Subject: jwt.Subject(subject), Type: jwt.Service}
				if subject == "signal.*" {
					export.ResponseType = jwt.ResponseTypeStream
				}
				claims.Exports.Add(export)
			} else {
				claims.Imports.Add(&jwt.Import{Name: subject, Subject: jwt.Subject(subject), Account: ids["BECKON"], Type: jwt.Service})
			}
		}
		token, err := claims.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&preload, "  %s: %s\n", ids[name], token)
	}
	creds := func(user string) string {
		for _, u := range opts.Users {
			if u.Username != user {
				continue
			}
			key, id := newKey(t, nkeys.CreateUser)
			claims := jwt.NewUserClaims(id)
			claims.Name = user
			claims.Pub.Allow, claims.Sub.Allow = u.Permissions.Publish.Allow, u.Permissions.Subscribe.Allow
			for kind := range u.AllowedConnectionTypes {
				claims.AllowedConnectionTypes = append(claims.AllowedConnectionTypes, kind)
			}
			token, err := claims.Encode(accounts[u.Account.Name])
			if err != nil {
				t.Fatal(err)
			}
			seed, err := key.Seed()
			if err != nil {
				t.Fatal(err)
			}
			file, err := jwt.FormatUserConfig(token, seed)
			if err != nil {
				t.Fatal(err)
			}
			return write(t, filepath.Join(dir, user+".creds"), string(file))
		}
		t.Fatalf("no user %s", user)
		return ""
	}
	token, err := jwt.NewOperatorClaims(operatorID).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	clients, leaves := freeAddress(t), freeAddress(t)
	startNATS(t, write(t, filepath.Join(dir, "nats.conf"), fmt.Sprintf(
		"listen: %q\nleafnodes { listen: %q }\nmax_payload: 131072\noperator: %s\nresolver: MEMORY\nresolver_preload {\n%s}\n",
		clients, leaves, token, &preload)))

	run(t, "presence", map[string]string{"BECKON_NATS": "nats://" + clients, "BECKON_NATS_CREDS": creds("presence")})
	near := run(t, "gateway", map[string]string{"BECKON_NATS": "nats://" + clients, "BECKON_NATS_CREDS": creds("gateway")})
	far := run(t, "gateway", map[string]string{
		"BECKON_NAME": "edge-1", "BECKON_LEAF": "nats-leaf://" + leaves, "BECKON_LEAF_CREDS": creds("edge-1"),
	})
	awaitHub(t, far)
	meet(t, near, far, "alice", "bob")

	backend, err := nats.Connect("nats://"+clients, nats.UserCredentials(creds("backend")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	for _, subject := range []string{"signal.alice", "signal.bob"} {
		reply, err := backend.RequestWithContext(limited(t), subject, []byte(`{"v":1,"kind":"refuse","from":"billing","body":{}}`))
		if err != nil || !strings.Contains(string(reply.Data), "delivered") {
			t.Errorf("%s: %v, %v", subject, reply, err)
		}
	}
	denied(t, backend, "publish an outcome", func() error { return backend.Publish("outcome.x.y.1", nil) })
	if nc, err := nats.Connect("nats://" + clients); !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Errorf("a stranger: %v", err)
	}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (key nkeys.KeyPair, id string) {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if id, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return key, id
}

// clusterOptions is what nats-server makes of the cluster's configuration.
func clusterOptions(t *testing.T) *server.Options {
	t.Helper()
	dir := t.TempDir()
	certificate(t, dir)
	write(t, filepath.Join(dir, "machine.conf"), strings.ReplaceAll(read(t, filepath.Join(docs, "nats", "machine.conf")), "/etc/nats/tls", dir))
	opts, err := server.ProcessConfigFile(write(t, filepath.Join(dir, "nats-server.conf"), read(t, filepath.Join(docs, "nats", "nats-server.conf"))))
	if err != nil {
		t.Fatal(err)
	}
	return opts
}
