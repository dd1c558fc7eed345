# The commands that developers and operators type. Each makes the virtual environment first, where it is absent.
PYTHON ?= python3
BIN := .venv/bin
REQUIREMENTS := $(wildcard requirements/*.txt)
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-user
STAMP := .venv/.made-from

# What a shell has for other Pythons, and for another pip's doings, is not for these. Where packages come from is pip's to know.
unexport $(filter PYTHON%,$(.VARIABLES))
PIP_SOURCES := INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS PROXY CERT CLIENT_CERT TRUSTED_HOST CACHE_DIR NO_CACHE_DIR \
  CONFIG_FILE DEFAULT_TIMEOUT TIMEOUT RETRIES KEYRING_PROVIDER
unexport $(filter-out $(addprefix PIP_,$(PIP_SOURCES)),$(filter PIP_%,$(.VARIABLES)))

# What an operator types reaches the program as typed: make does not expand it, and in a recipe it is "$$REASON", which the
# shell takes for nothing else.
TYPED := SETTLE AS REASON OPERATOR
$(foreach name,$(TYPED),$(if $(filter undefined default,$(origin $(name))),,\
  $(eval override $(name) := $$(value $(name)))$(eval export $(name))))

.DEFAULT_GOAL := run
.PHONY: run test migrate seed pending lint format clean venv

# `exec`, so that a signal to the shell of this line reaches the runner itself.
run: venv
	@exec $(BIN)/python -m local.run

test: lint
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

# SECONDS of storm (60), SEED (a random one, which is printed), REAL=1 with the time-outs of production.
.PHONY: chaos
chaos: venv
	@exec $(BIN)/python -m tests.chaos.run $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(SEED),--seed '$(SEED)') $(if $(REAL),--real)

migrate: venv
	@$(BIN)/python -m local.database sql.migrate

seed: venv
	@$(BIN)/python -m local.database seed.load

pending: venv
	@$(BIN)/python -m local.database shared.pending \
	  $${SETTLE:+--settle="$$SETTLE" --as="$$AS" --reason="$$REASON"} $(if $(filter 1,$(FORCE)),--force)

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: venv
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made again when the content of a requirements file or the checkout's place changes, whatever the files' times say.
# The editable install is a plain path (compat): a finder of its own would cost every cold start.
venv:
	@wanted() { pwd -P; cat $(REQUIREMENTS); }; \
	if ! wanted | cmp -s - $(STAMP); then \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "payment-service needs Python 3.11 or later; $(PYTHON) is not. Say which with PYTHON=..." >&2; exit 1; }; \
	  case $$(pwd -P) in *[:$$]*) \
	    echo "payment-service needs a folder without : and \$$ in its path, for the tools that install it." >&2; exit 1;; esac; \
	  echo "Making the virtual environment .venv" && \
	  $(PYTHON) -m venv --clear .venv && \
	  echo "Installing the pinned dependencies (once, about half a minute)" && \
	  $(PIP) -r requirements/test.txt && \
	  $(PIP) --no-deps --config-settings editable_mode=compat --editable . && \
	  wanted > $(STAMP); \
	fi
