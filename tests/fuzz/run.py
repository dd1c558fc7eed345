"""Requests that schemathesis makes of the service's own OpenAPI document, valid ones and others, to the whole service behind
its front door: every check, and links from answer to answer. `python -m tests.fuzz.run --seconds 600 --seed 7`"""

import argparse
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from local.place import CHECKOUT
from tests.e2e.service import Service

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# As in production: a machine that is busy is no fault of the service.
PATIENT = {"TRIP_SERVICE_TIMEOUT": "5", "GATEWAY_TIMEOUT": "10", "IDEMPOTENCY_LOCK_TIMEOUT": "60"}
PROGRAM = Path(sys.executable).with_name("st")


def command(port: int, seed: int, *options: str) -> list[str]:
    """What sends the requests to the front door on this port; the same for the same seed, to a service that is new."""
    address = f"http://127.0.0.1:{port}/openapi.json"
    how = ["--seed", str(seed), "--continue-on-failure", "--warnings", "off", *options]
    return [str(PROGRAM), "--no-color", "--config-file", str(CONFIGURATION), "run", address, *how]


def environment() -> dict[str, str]:
    hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(CHECKOUT)}
    return {**os.environ, **hooks, "NO_PROXY": "127.0.0.1"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"Fuzzing for {options.seconds} seconds: make fuzz SECONDS={options.seconds} SEED={seed}", flush=True)
    service = Service(**PATIENT)
    try:
        asking = command(service.port, seed, "--max-time", str(options.seconds))
        code = subprocess.run(asking, cwd=service.folder, env=environment()).returncode
    finally:
        service.end()
    sys.exit(code)


if __name__ == "__main__":
    main()
