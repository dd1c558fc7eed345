"""Clients that cost little: wrk, over connections that stay open, a new Idempotency-Key each time."""

import json
import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import NotMeasured
from benchmarks.programs import library_path, program

SCRIPT = Path(__file__).with_name("charge.lua")


@dataclass(frozen=True)
class Answers:
    """What the clients of one run were answered. `prefix` is what its keys begin with; latencies are milliseconds."""

    prefix: str
    requests: int
    seconds: float
    latency: dict[str, float]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def charge(urls: Sequence[str], clients: int, seconds: float, again: Answers | None = None) -> Answers:
    """Charges as fast as so many clients are answered, an equal share of them at each of the addresses. `again`: with the keys
    of an earlier run, from the first on, those whose answers may have been lost left out. Raises NotMeasured where any was
    refused or failed."""
    prefix = again.prefix if again else uuid.uuid4().hex
    keys = again.requests // len(urls) - clients if again else 0
    share = clients // len(urls)
    runs = [_start(url, share, seconds, f"{prefix}-{number}", keys) for number, url in enumerate(urls)]
    told = [_read(run) for run in runs]
    wrong = sum(int(one["refused"] + one["failed"]) for one in told)
    if wrong:
        raise NotMeasured(f"{wrong} of {sum(one['requests'] for one in told)} charges were refused or failed")
    latency = {name: max(one[name] for one in told) for name in ("p50", "p90", "p99", "highest")}
    return Answers(prefix, int(sum(one["requests"] for one in told)), max(one["seconds"] for one in told), latency)


def _start(url: str, clients: int, seconds: float, prefix: str, keys: int) -> "subprocess.Popen[bytes]":
    load = ["--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s", "--timeout", "30s"]
    command = [program("wrk"), *load, "--script", str(SCRIPT), url, "--", prefix, str(keys)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | library_path())


def _read(run: "subprocess.Popen[bytes]") -> dict[str, float]:
    output, _ = run.communicate()
    if run.returncode:
        raise NotMeasured(f"wrk ended with {run.returncode}")
    told: dict[str, float] = json.loads(output.splitlines()[-1])
    return told
