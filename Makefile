# Beckon. `make` alone lists the targets.

MODULES  := shared gateway presence local
PACKAGES := $(MODULES:%=./%/...)
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X beckon/shared/service.Version=$(VERSION)
FUZZTIME ?= 20s

.DEFAULT_GOAL := help
.PHONY: help run build test chaos lint fmt fuzz bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run NATS, presence and a gateway in one process; with LAN=1 phones in the same network can join
	go run ./local/cmd/beckon $(if $(filter-out 0,$(LAN)),--lan) $(ARGS)

build: ## build gateway, presence and beckon into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./gateway/cmd/gateway ./presence/cmd/presence ./local/cmd/beckon

test: ## run all tests with the race detector, and each service's alone, without the workspace; install Chromium and Node where it may
	.ci/chromium
	.ci/node
	go test -race -timeout 15m $$(go list $(PACKAGES) | grep -v beckon/local)
	go test -race -timeout 15m -count=1 -p 1 $$(go list ./local/... | grep -v beckon/local/browser) # they build programs and read files that go's cache does not see, and each wants the machine for itself
	go test -race -timeout 20m -count=1 -p 1 ./local/browser/... # one browser at a time: a call takes all the CPU there is
	cd gateway && GOWORK=off go test ./...
	cd presence && GOWORK=off go test ./...

chaos: ## kill, stop, restart and cut off servers under load, and judge how soon users' lists are right again
	BECKON_CHAOS=judge go test -count=1 -timeout 30m -v ./local/chaos

lint: ## vet, staticcheck, and formatting
	go vet $(PACKAGES)
	go tool staticcheck $(PACKAGES)
	@unformatted=$$(go tool gofumpt -l $(MODULES)); test -z "$$unformatted" || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }

fmt: ## format the code
	go tool gofumpt -w $(MODULES)

fuzz: ## run every fuzz target for FUZZTIME each (20s)
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' $(MODULES) | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			echo "== $$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./$$dir || exit 1; \
		done; \
	done

bench: ## run every benchmark, with allocations
	go test -run '^$$' -bench . -benchmem $(PACKAGES)
