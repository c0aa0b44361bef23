# make help lists the targets. CI runs .ci/run, which is "make check".

TOOL = go tool -modfile=.ci/tools.mod
FUZZTIME ?= 30s

.DEFAULT_GOAL := all
.PHONY: all run test short cover fuzz bench e2e heavy crash lint fmt tidy vuln update check image help

all: fmt lint test ## format, lint and test

run: ## run a gateway with sample procedures
	go run ./cmd/wampgate dev

test: ## all tests, with the race detector
	go test -race -shuffle=on ./...

short: ## the tests that take a moment
	go test -short ./...

cover: ## which lines the tests reach, in cover.html
	go test -coverprofile=cover.out -coverpkg=./... ./...
	go tool cover -html=cover.out -o cover.html

fuzz: ## each fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

bench: ## benchmarks into bench/new.txt; compare with bench/old.txt if there is one
	mkdir -p bench
	go test -run='^$$' -bench=. -benchmem -count=10 ./dealer/... ./gateway/... | tee bench/new.txt
	if [ -f bench/old.txt ]; then $(TOOL) benchstat bench/old.txt bench/new.txt; fi

e2e: ## the binary, real sockets, curl and the WAMP clients of others
	go test -count=1 ./test/

heavy: ## the same with large volumes
	WAMPGATE_TEST_HEAVY=1 go test -count=1 -timeout=30m ./test/

crash: ## kill gateways under load, 50 times, and look for what was lost
	WAMPGATE_TEST_HEAVY=1 go test -count=1 -v -timeout=30m -run='Kills|CalleeAway|Crash' ./test/...

lint: ## golangci-lint
	$(TOOL) golangci-lint run

fmt: ## gofumpt and the order of imports
	$(TOOL) golangci-lint fmt

tidy: ## is go.mod what it should be
	go mod tidy -diff

vuln: ## known vulnerabilities of what we import (asks vuln.go.dev)
	$(TOOL) govulncheck ./...

update: ## rewrite transcripts and what is generated
	go test ./dealer -update
	go test ./cmd/wampgate -run README -update
	go test ./test -run Conformance -update

check: ## everything that CI runs
	.ci/run

image: ## the container image
	docker build -t wampgate .

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
