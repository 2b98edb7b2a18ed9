# Two doors: `make dev` and `make test`. The stages of `make test` stand in scripts/test.mjs.
.DEFAULT_GOAL := help
.PHONY: help dev test serve check-config build fmt lint native faults properties wasm-test http foreign storms browser deploy-check deny bench bench-many proof clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

dev: ## run the pair and a demo origin here, and sign in
	@node scripts/dev.mjs

test: ## run every check
	@node scripts/test.mjs

serve: ## run what one file describes: make serve CONFIG=file.json
	@node scripts/serve.mjs $(or $(CONFIG),$(error say which file: make serve CONFIG=file.json))

check-config: ## name every mistake of a file and serve nothing: make check-config CONFIG=file.json
	@node scripts/check-config.mjs $(if $(WORKER),--env $(WORKER),$(or $(CONFIG),$(error say which: make check-config CONFIG=file.json)))

build: ## build both Workers
	@node scripts/build.mjs

fmt: ## format the Rust sources
	@cargo fmt

lint: ## formatting and clippy, natively and for wasm32
	@node scripts/test.mjs fmt clippy clippy-wasm

native: ## the native tests
	@node scripts/test.mjs native

faults: ## whatever can fail fails, at every place of every flow
	@node scripts/test.mjs faults

properties: ## the state machines against models, 100,000 sequences each
	@node scripts/test.mjs properties

wasm-test: ## what only wasm can show
	@node scripts/test.mjs wasm

http: ## conformance over HTTP on workerd, and its upstreams
	@node scripts/test.mjs build http upstreams keys pair relying signals regions turnstile providers origins streams operations smuggling limits rotation encrypted bodies

foreign: ## other people's clients and issuers against ours
	@node scripts/test.mjs build foreign

storms: ## a thousand requests at once, lost answers, kill -9
	@node scripts/test.mjs build storms

browser: ## sign in and out in Chromium
	@node scripts/test.mjs build browser

deploy-check: ## wrangler deploy --dry-run of both Workers
	@node scripts/test.mjs deploy-check

deny: ## licences, bans, sources and advisories of the dependencies
	@node scripts/test.mjs deny advisories

proof: ## storms, kills and bodies at full size, with figures; minutes, and no part of make test
	@node scripts/proof.mjs

bench: ## what a request costs, beside other Workers and oidc-provider: minutes, on Linux
	@node tests/bench/run.mjs

bench-many: ## what it costs with a million accounts stored, beside a thousand: minutes, on Linux
	@node tests/bench/many.mjs

clean: ## remove what was built; what `make dev` stored stays
	@rm -rf target idp/build gateway/build .gatelatch/log
