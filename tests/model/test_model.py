"""A model of payments, refunds, repeats and sweeps while anything fails: the invariants hold after every step."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.charging import abandoned, attempt
from shared.late import due
from tests.fakes.sink import Sink
from tests.fakes.trips import TripServer
from tests.model.doubles import FragileDatabase
from tests.model.machine import ATTEMPTING, KEY_TTL, Payments
from tests.support.cluster import Place


@pytest.fixture
def machine(
    place: Place,
    trips: TripServer,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> type[Payments]:
    for module in ATTEMPTING:
        monkeypatch.setattr(module, "attempt", attempt.attempt)
    # One after the other, so that an example that fails fails again.
    for bound, value in {"WORKERS": 1, "PROBES": 1, "PROBE_PAUSE": 0}.items():
        monkeypatch.setattr(abandoned, bound, value)
    monkeypatch.setattr(due, "WORKERS", 1)
    changed = place.settings(gateway_key_retention=60.0, next_action_timeout=30.0, k_sink=sink.url)
    assert changed.idempotency_key_ttl == KEY_TTL
    database = FragileDatabase(changed)
    return type("Machine", (Payments,), {"place": place, "settings": changed, "database": database, "sink": sink})


@pytest.mark.timeout(400)  # of which a passing run needs twenty: a failing example is made small before it is shown
def test_whatever_fails_every_step_leaves_the_books_right_and_everything_comes_to_an_end(
    machine: type[Payments],
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
