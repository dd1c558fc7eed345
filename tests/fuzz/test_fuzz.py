"""A short run of `make fuzz`, the same each time."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.service import Service
from tests.fuzz.run import PATIENT, command, environment

SEED, EXAMPLES = 1, 20
PATIENCE = 300.0


@pytest.fixture
def service() -> Iterator[Service]:
    """A new one, so that the same requests find the same rows."""
    service = Service(**PATIENT)
    yield service
    assert service.end() == (0, [])


@pytest.mark.timeout(400)  # of which a passing run needs one: what fails is made small before it is shown
def test_the_service_is_what_its_description_says(service: Service) -> None:
    asking = command(service.port, SEED, "--max-examples", str(EXAMPLES))
    done = subprocess.run(
        asking, cwd=service.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout
    assert "Stateful" in done.stdout
