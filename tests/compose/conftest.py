"""Docker, where this machine has it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docker() -> str:
    """The docker command, with an engine that answers; without one the test says so and is skipped."""
    found = shutil.which("docker")
    if found is None or subprocess.run([found, "info"], capture_output=True, timeout=30).returncode != 0:
        pytest.skip("no Docker engine answers on this machine (docker info)")
    return found


@pytest.fixture(scope="session")
def compose(docker: str) -> list[str]:
    """Compose v2, or docker-compose 1.29."""
    if subprocess.run([docker, "compose", "version"], capture_output=True, timeout=30).returncode == 0:
        return [docker, "compose"]
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("this machine has a Docker engine, but neither Compose v2 nor docker-compose")
    return [found]


@pytest.fixture(scope="session")
def image(docker: str) -> Iterator[str]:
    """The image of this checkout."""
    name = "payment-service:under-test"
    done = subprocess.run(
        [docker, "build", "--quiet", "--tag", name, str(ROOT)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield name
    subprocess.run([docker, "image", "rm", name], capture_output=True, timeout=60)
