"""pgbench runs what the functions run: the named statements of a charge, each with its parameters."""

import re

import pytest

from benchmarks import reference
from benchmarks.measured import NotMeasured
from benchmarks.reference import CHARGE
from shared.platform.database.statements import statement
from tests.fakes.sink import Sink
from tests.support.cluster import Place
from tests.support.till import Till

DELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL"
BY_STATUS = "SELECT status, count(*) FROM payments GROUP BY status"


def test_the_script_runs_the_statements_that_a_charge_runs(till: Till, sink: Sink) -> None:
    till.pay()
    till.publisher.drain()
    assert till.database.ran == [*CHARGE, "mark_delivered"]


@pytest.mark.parametrize("name", [*CHARGE, "mark_delivered"])
def test_a_statement_keeps_its_text_but_for_its_parameters(name: str) -> None:
    bound = reference.bound(name)
    assert "%(" not in bound
    text = ".+".join(re.escape(part) for part in re.split(r"%\(\w+\)s", statement(name)))
    assert re.fullmatch(text, bound, re.DOTALL)


def test_a_parameter_that_no_charge_has_is_not_left_out() -> None:
    with pytest.raises(KeyError, match="refund_id"):
        reference.bound("note_contradiction")


def test_pgbench_charges_and_notes_what_was_delivered(place: Place) -> None:
    ran = reference.run(place.server, place.environment, clients=2, each=reference.BATCH)
    assert ran.charges == 2 * reference.BATCH
    assert ran.rate > 0
    assert place.sql.run(BY_STATUS) == [{"status": "SUCCESS", "count": ran.charges}]
    assert (
        place.sql.value("SELECT count(DISTINCT key_hash) FROM idempotency_keys WHERE answer_status = 201")
        == ran.charges
    )
    assert place.sql.value(DELIVERED) == ran.charges


def test_what_a_statement_refuses_is_no_figure(place: Place) -> None:
    place.sql.run("ALTER TABLE payments ADD CHECK (amount < 1)")
    with pytest.raises(NotMeasured, match="payments_amount_check"):
        reference.run(place.server, place.environment, clients=1, each=1)
