# The commands that developers and operators type. Each makes the virtual environment first, where it is absent.
PYTHON ?= python3
BIN := .venv/bin
# What it takes to run the service, and to test and check it: every version and the hash of every file, so that what is
# installed is what was looked at, whatever a registry says today. `make lock` writes them from the *.in beside them.
RUNNING := requirements/local.txt
TESTING := requirements/test.txt
INSTALL := -m pip install --require-hashes -qq --disable-pip-version-check --no-user
PIP := $(BIN)/python $(INSTALL)
MADE_FROM := .venv/.made-from
TESTED_FROM := .venv/.tested-from

# What a shell has for other Pythons, and for another pip's doings, is not for these. Where packages come from is pip's to know.
unexport $(filter PYTHON%,$(.VARIABLES))
PIP_SOURCES := INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS PROXY CERT CLIENT_CERT TRUSTED_HOST CACHE_DIR NO_CACHE_DIR \
  CONFIG_FILE DEFAULT_TIMEOUT TIMEOUT RETRIES KEYRING_PROVIDER
unexport $(filter-out $(addprefix PIP_,$(PIP_SOURCES)),$(filter PIP_%,$(.VARIABLES)))

# What an operator types reaches the program as typed: make does not expand it, and in a recipe it is "$$REASON", which the
# shell takes for nothing else.
TYPED := SETTLE AS REASON OPERATOR RESEND TYPE ID CHARGE URL FROM TO OUT ADOPT
$(foreach name,$(TYPED),$(if $(filter undefined default,$(origin $(name))),,\
  $(eval override $(name) := $$(value $(name)))$(eval export $(name))))

.DEFAULT_GOAL := run
.PHONY: run test migrate seed pending events lint format clean venv venv-for-tests

# Of several cells (CELLS=mumbai=1,delhi=2) all, or the one that CELL=1 means; so do the targets below that ask the database.
# `exec`, so that a signal to the shell of this line reaches the runner itself.
run: venv
	@exec $(BIN)/python -m local.run

# First what the tests need besides Python's packages, so that it is said at once if something cannot be had.
test: lint
	@$(BIN)/python -m tests.tools.get
	@$(BIN)/python -m pytest -n 4

# SECONDS of storm (60), SEED (a random one, which is printed), CELLS=2 over two cells, REAL=1 with the time-outs of production.
.PHONY: chaos
chaos: venv-for-tests
	@exec $(BIN)/python -m tests.chaos.run $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(SEED),--seed '$(SEED)') $(if $(CELLS),--cells '$(CELLS)') \
	  $(if $(REAL),--real)

# What schemathesis makes of the OpenAPI document, for SECONDS (600), SEED (a random one, which is printed).
.PHONY: fuzz
fuzz: venv-for-tests
	@exec $(BIN)/python -m tests.fuzz.run $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(SEED),--seed '$(SEED)')

# A day's requests for SECONDS (600) at 70 % of the peak, and whether anything grows, errs or slows.
.PHONY: soak
soak: venv-for-tests
	@exec $(BIN)/python -m benchmarks.soak $(if $(SECONDS),--seconds '$(SECONDS)')

# ONLY some figures (ONLY=charge,memory), SECONDS of each side in each round (5), ROUNDS (3), MINUTES a snapshot is held (5).
.PHONY: bench
bench: venv-for-tests
	@exec $(BIN)/python -m benchmarks.run $(if $(ONLY),--only '$(ONLY)') $(if $(SECONDS),--seconds '$(SECONDS)') \
	  $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(MINUTES),--minutes '$(MINUTES)')

migrate: venv
	@$(BIN)/python -m local.database sql.migrate

seed: venv
	@$(BIN)/python -m local.database seed.load

pending: venv
	@$(BIN)/python -m local.database shared.charging.by_hand \
	  $${SETTLE:+--settle="$$SETTLE" --as="$$AS" --reason="$$REASON"} $(if $(filter 1,$(FORCE)),--force)

events: venv
	@$(BIN)/python -m local.database shared.events.resend $${RESEND:+--resend="$$RESEND"}

# What each gateway moved beside what the books say, FROM a day or time TO another (yesterday), every movement in the CSV file OUT.
.PHONY: reconcile
reconcile: venv
	@$(BIN)/python -m local.database shared.reconciling.command \
	  $${FROM:+--from="$$FROM"} $${TO:+--to="$$TO"} $${OUT:+--out="$$OUT"} $${ADOPT:+--adopt="$$ADOPT"} $${REASON:+--reason="$$REASON"}

# An event as Stripe sends it, signed with STRIPE_WEBHOOK_SECRET: ID of an object of Stripe's, TYPE (payment_intent.succeeded), CHARGE of
# a refund or dispute, URL (http://localhost:8082/webhooks/stripe).
.PHONY: webhook
webhook: venv
	@$(BIN)/python -m local.webhook --id="$$ID" $${TYPE:+--type="$$TYPE"} $${CHARGE:+--charge="$$CHARGE"} $${URL:+--url="$$URL"}

lint: venv-for-tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache layers.toml

format: venv-for-tests
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# From requirements/*.in: what each brings along, and the hashes of all files of each release. Versions stay as they are while
# the *.in let them; UPGRADE=1 takes the newest of all, UPGRADE=NAME of one.
LOCKED := run local test bench tools upkeep
UPKEEP := .tools/upkeep
.PHONY: lock audit
lock: venv-for-upkeep
	@index=$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}; \
	for name in $(LOCKED); do \
	  $(UPKEEP)/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --custom-compile-command 'make lock' $${index:+--default-index "$$index"} \
	    $(if $(UPGRADE),$(if $(filter 1,$(UPGRADE)),--upgrade,--upgrade-package '$(UPGRADE)')) \
	    requirements/$$name.in --output-file requirements/$$name.txt || exit; \
	done

# Known vulnerabilities of what is pinned (test.txt holds what run.txt and local.txt do). Fails where there is one, and where
# no advisory database was asked.
audit: venv-for-upkeep
	@$(BIN)/python -m tools.audit $(UPKEEP)/bin/pip-audit $(filter-out requirements/run.txt requirements/local.txt,$(LOCKED:%=requirements/%.txt))

# The README's pictures, anew.
.PHONY: screenshots
screenshots: venv-for-tests
	@$(BIN)/python -m tools.screenshots

# What the console's pages load of others, and the fonts of receipts, from the npm packages that tools/vendored and tools/fonts pin.
.PHONY: vendor
vendor: venv-for-tests
	@$(BIN)/python -m tools.vendor
	@$(BIN)/python -m tools.fonts.vendor

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian keeps a part of Python's venv in a package of its own.
VENV_PACKAGE := python3-venv
define have_venv
$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
    echo "Installing Debian's $(VENV_PACKAGE), without which Python makes no virtual environment" && \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(VENV_PACKAGE) >/dev/null && \
    $(PYTHON) -c 'import ensurepip'; } || \
    { echo "payment-service needs Python with venv and pip. On Debian: apt-get install $(VENV_PACKAGE)" >&2; exit 1; }
endef

# Made again when the content of a requirements file or the checkout's place changes, whatever the files' times say.
# The checkout itself is a path in the environment: nothing is built, so nothing unpinned is fetched to build with.
venv:
	@wanted() { pwd -P; cat $(RUNNING); }; \
	if ! wanted | cmp -s - $(MADE_FROM); then \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "payment-service needs Python 3.11 or later; $(PYTHON) is not. Say which with PYTHON=..." >&2; exit 1; }; \
	  case $$(pwd -P) in *[:$$]*) \
	    echo "payment-service needs a folder without : and \$$ in its path, for the tools that install it." >&2; exit 1;; esac; \
	  $(have_venv); \
	  echo "Making the virtual environment .venv" && \
	  $(PYTHON) -m venv --clear .venv && \
	  echo "Installing the pinned dependencies (once, about half a minute)" && \
	  $(PIP) -r requirements/local.txt && \
	  pwd -P > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/payment-service.pth" && \
	  wanted > $(MADE_FROM); \
	fi

# Whoever runs the service does not wait for these.
venv-for-tests: venv
	@if ! cat $(TESTING) | cmp -s - $(TESTED_FROM); then \
	  echo "Installing what the tests need (once, about a minute)" && \
	  $(PIP) -r requirements/test.txt && \
	  cat $(TESTING) > $(TESTED_FROM); \
	fi

.PHONY: venv-for-upkeep
venv-for-upkeep: venv
	@if ! cmp -s requirements/upkeep.txt $(UPKEEP)/.made-from; then \
	  echo "Installing what pins and audits the dependencies" && \
	  $(PYTHON) -m venv --clear $(UPKEEP) && \
	  $(UPKEEP)/bin/python $(INSTALL) -r requirements/upkeep.txt && \
	  cp requirements/upkeep.txt $(UPKEEP)/.made-from; \
	fi
