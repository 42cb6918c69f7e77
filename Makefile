# Every command a developer needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE   := $(CURDIR)/.cache
LINT    := $(CACHE)/tools/golangci-lint
VAULT   := $(CACHE)/vault/vault
FUZZTIME ?= 2s
SOAKTIME ?= 10m
ADDR    ?= 127.0.0.1:8200
PGADDR  ?= 127.0.0.1:5432

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## the main job, both directions, on this machine
	go run ./cmd/vaultferry demo

.PHONY: build
build: ## one static binary: ./vaultferry
	CGO_ENABLED=0 go build -trimpath -o vaultferry ./cmd/vaultferry

.PHONY: test
test: deps vault ## all tests, from nothing: installs and builds what they need
	go vet ./...
	go test -shuffle=on -timeout 20m ./...
	cd test/acme && go test -timeout 10m ./...

.PHONY: check
check: format vet lint tidy deps vault ## what must be green before a commit
	go test -race -shuffle=on -timeout 30m ./...
	cd test/acme && go test -timeout 10m ./...
	$(MAKE) fuzz

.PHONY: format
format: $(LINT) ## fail if a file is not formatted
	@out="$$($(LINT) fmt --diff ./...)"; if [ -n "$$out" ]; then echo "$$out"; echo "run: make fmt"; exit 1; fi

.PHONY: fmt
fmt: $(LINT) ## format every file
	$(LINT) fmt ./...

.PHONY: vet
vet:
	go vet ./...

.PHONY: cross
cross: ## compile for the systems of a release that tests do not run on
	@for system in darwin/arm64 windows/amd64; do \
	  echo "$$system"; GOOS=$${system%/*} GOARCH=$${system#*/} CGO_ENABLED=0 go build -o /dev/null ./cmd/vaultferry; \
	done

.PHONY: lint
lint: $(LINT) ## golangci-lint, pinned in its own module
	$(LINT) run ./...

.PHONY: tidy
tidy: ## fail if go.mod is not tidy
	go mod tidy -diff
	cd test/acme && go mod tidy -diff

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 2s)
	@go list -f '{{$$p := .ImportPath}}{{range .TestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$p}} {{$$.Dir}}/{{.}}{{"\n"}}{{end}}' ./... | \
	while read -r pkg file; do \
	  [ -n "$$pkg" ] || continue; \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
	    echo "fuzz $$pkg $$target"; \
	    go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$pkg" </dev/null | grep -vE '^(fuzz: elapsed|PASS|ok|warning: starting with empty corpus)' || [ "$${PIPESTATUS[0]}" = 0 ]; \
	  done; \
	done

.PHONY: bench
bench: vault ## benchmarks, with the ratios that we hold ourselves to
	go test -run='^$$' -bench=. -benchmem -timeout 2h ./...

.PHONY: million
million: deps ## compare a PostgreSQL store of a million secrets with one of a thousand: writes, reads, lists, starts, memory
	go test ./internal/fleet -run='^$$' -bench='Many$$' -benchtime=1x -timeout 40m

.PHONY: soak
soak: vault ## a mixed load, with hostile calls and a product that fails, for SOAKTIME (default 10m): nothing grows, no line is lost; a fleet of which one gateway is killed each second, and 20,000 calls between whose round trips others write; a hundred runs of each move that die, and as many kills aimed at each command on backups and repositories
	go test ./internal/attack -run 'TestSoak$$' -count=1 -v -timeout 24h -args -soak $(SOAKTIME)
	go test ./internal/fleet -run 'TestFleet$$' -count=1 -v -timeout 24h -args -fleet $(SOAKTIME) -fleet-pace 0
	go test ./internal/fleet -run 'TestInterleaved$$' -count=1 -v -timeout 4h -args -interleavings 20000
	go test ./cmd/vaultferry -run 'TestKillAndResume$$' -count=1 -v -timeout 4h -args -kills 100
	go test ./cmd/vaultferry -run 'TestSnapshotKilled$$|TestRewrapKilled$$' -count=1 -v -timeout 4h -args -snapshot-kills 100

.PHONY: estate
estate: vault ## move 2,000 secrets by backup and restore, and by three plans through Key Vault and CSMS, and compare with the vendors' clients
	go test ./cmd/vaultferry -run 'TestEstate' -count=1 -v -timeout 40m -args -estate 2000

.PHONY: golden
golden: vault ## rewrite the golden wire files, the tables in docs and the configuration's schema; read the diff before you commit it
	go test ./dialects/azure ./dialects/huawei -run Golden -update
	go test ./backends/all -run 'TestNamesTable|TestProductsTable' -update
	go test ./internal/configdoc -run TestConfiguration -update
	go test ./backends/sidecar -run 'TestPage$$' -update
	go test ./inventory -run 'TestPage$$' -update
	go test ./migrate/report -run 'TestVector$$' -update
	go test ./internal/e2e -run 'TestMatrix$$|TestRequests$$|TestRefused' -update
	$(MAKE) recording

.PHONY: picture
picture: ## draw docs/architecture.svg of its source; needs Graphviz
	dot -Tsvg docs/architecture.dot -o docs/architecture.svg

.PHONY: recording
recording: ## run the demo and draw what it prints: docs/demo.svg
	go test ./cmd/vaultferry -run 'TestRecording$$' -count=1 -update

.PHONY: vault
vault: ## build the real Vault server for tests, once; print its path
	@test/vault/build.sh

.PHONY: vault-dev
vault-dev: vault ## run it in the foreground: KV v2 at secret/, token root (ADDR=127.0.0.1:8200)
	@test/vault/dev.sh $(ADDR)

.PHONY: postgres-dev
postgres-dev: deps ## run PostgreSQL in the foreground, for a store of kind postgres (PGADDR=127.0.0.1:5432)
	@test/postgres/dev.sh $(PGADDR)

.PHONY: deps
deps: ## what the tests use beside Go: Debian packages, and npm ones in .cache
	@.ci/deps

.PHONY: release
release: $(addprefix $(CACHE)/tools/,nfpm cyclonedx-gomod image) ## everything that a release consists of, in dist
	deploy/release.sh

.PHONY: release-test
release-test: release $(CACHE)/tools/helm ## build it again and compare, and try each artefact in a clean root, and the clients of other projects; needs root, mmdebstrap, rpm, wine64 and azure-cli
	deploy/release.sh $(CACHE)/again
	diff -r dist $(CACHE)/again
	cd test/release && GOWORK=off go vet . && GOWORK=off go test -count=1 -timeout 30m .
	cd test/clients && GOWORK=off go vet . && GOWORK=off go test -count=1 -timeout 10m .

.PHONY: manifests
manifests: $(CACHE)/tools/helm ## write deploy/manifests anew, from the chart
	cd test/release && GOWORK=off go test -run 'TestManifests$$' . -args -update

.PHONY: vuln
vuln: ## known vulnerabilities; needs a network that reaches the database
	go run golang.org/x/vuln/cmd/govulncheck@v1.6.0 ./...

$(LINT): internal/tools/lint/go.mod internal/tools/lint/go.sum
	@mkdir -p $(dir $@)
	cd internal/tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

# The tools of a release, each pinned in a module of its own.
$(CACHE)/tools/nfpm: internal/tools/nfpm/go.mod internal/tools/nfpm/go.sum
	cd $(<D) && GOWORK=off go build -o $@ github.com/goreleaser/nfpm/v2/cmd/nfpm && touch $@

$(CACHE)/tools/cyclonedx-gomod: internal/tools/sbom/go.mod internal/tools/sbom/go.sum
	cd $(<D) && GOWORK=off go build -o $@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod && touch $@

$(CACHE)/tools/image: internal/tools/image/main.go internal/tools/image/go.mod internal/tools/image/go.sum
	cd $(<D) && GOWORK=off go build -o $@ . && touch $@

$(CACHE)/tools/helm: internal/tools/helm/go.mod internal/tools/helm/go.sum
	cd $(<D) && GOWORK=off go build -o $@ helm.sh/helm/v4/cmd/helm && touch $@
