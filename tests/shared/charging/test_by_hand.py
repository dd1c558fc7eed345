"""What is stuck, listed and settled by hand, with an entry in the audit trail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.place import CHECKOUT
from shared.charging.by_hand import NotSettled, list_pending, settle_by_hand
from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.reading import payments
from shared.reading.queries import Page
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway, Turn
from tests.support.till import Till, shown


@pytest.fixture
def stuck(till: Till) -> int:
    """A charge of 150.00 whose outcome is not known."""
    till.gateway.next(Unknown("time-out"))
    return int(shown(till.pay(key="k"))["payment_id"])


def by_hand(till: Till, which: object, succeeded: bool = True, *, force: bool = False) -> str:
    person, reason = "asha", "the bank said so"
    return settle_by_hand(till.deps, str(which), succeeded, person, reason, force=force)


def test_nothing_is_listed_where_nothing_is_stuck(till: Till, place: Place) -> None:
    till.pay()
    a_payment(place.sql, status="PENDING", gateway=None)
    assert list_pending(till.deps) == []


SAYINGS: list[tuple[Turn | None, str]] = [
    (Succeeded("x"), "succeeded"),
    (Declined("expired"), "declined (expired)"),
    (Unknown("busy"), "not known (busy)"),
    (None, "never heard of it"),
]


@pytest.mark.parametrize(("found", "said"), SAYINGS)
def test_the_list_says_what_the_gateway_says_now_and_charges_nothing(
    till: Till, stuck: int, found: Turn | None, said: str
) -> None:
    till.gateway.finding = found
    [line] = list_pending(till.deps)
    assert line.startswith(f"payment {stuck} ")
    assert "150.00 INR" in line
    assert line.endswith(said)
    assert till.gateway.verbs() == ["charge", "find_charge"]


def test_what_is_stuck_longest_is_listed_first_refunds_too(till: Till, place: Place, stuck: int) -> None:
    paid = shown(till.pay(amount="20.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(paid, "5.00")
    lines = list_pending(till.deps)
    assert [line.split("  ")[0] for line in lines] == [f"payment {stuck}", f"refund of payment {paid}"]


@pytest.mark.parametrize(("succeeded", "status", "answered"), [(True, "SUCCESS", 201), (False, "FAILED", 402)])
def test_settling_by_hand_ends_it_as_any_settling_does(
    till: Till, place: Place, stuck: int, succeeded: bool, status: str, answered: int
) -> None:
    till.gateway.finding = Unknown("busy")
    assert "asha" in by_hand(till, stuck, succeeded)
    row = place.sql.run("SELECT status, failure_code FROM payments")[0]
    assert (row["status"], row["failure_code"]) == (status, None if succeeded else "settled_by_hand")
    assert till.pay(key="k").status == answered
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    audit = place.sql.run("SELECT *, xmin::text AS by, (SELECT xmin::text FROM payments) AS settled_by FROM audit_log")
    assert [(e["actor"], e["action"], e["payment_id"], e["outcome"], e["reason"]) for e in audit] == [
        ("asha", "settle_payment", stuck, "succeeded" if succeeded else "failed", "the bank said so")
    ]
    assert (audit[0]["gateway_said"], audit[0]["forced"]) == ("not known (busy)", False)
    assert audit[0]["by"] == audit[0]["settled_by"]


AS_FOUND: list[tuple[Turn | None, bool, str, str | None, str | None]] = [
    (Succeeded("pi_1"), True, "SUCCESS", None, "pi_1"),
    (Declined("expired", "pi_1"), False, "FAILED", "expired", "pi_1"),
    (Unknown("processing", "pi_1"), True, "SUCCESS", None, "pi_1"),
    (Unknown("processing", "pi_1"), False, "FAILED", "settled_by_hand", "pi_1"),
    (None, False, "FAILED", "settled_by_hand", None),
]


@pytest.mark.parametrize(("found", "succeeded", "status", "code", "gateway_id"), AS_FOUND)
def test_what_the_gateway_knows_of_it_is_stored(
    till: Till,
    place: Place,
    stuck: int,
    found: Turn | None,
    succeeded: bool,
    status: str,
    code: str | None,
    gateway_id: str | None,
) -> None:
    till.gateway.finding = found
    by_hand(till, stuck, succeeded)
    assert place.sql.run("SELECT status, failure_code, gateway_id FROM payments") == [
        {"status": status, "failure_code": code, "gateway_id": gateway_id}
    ]
    assert place.sql.run("SELECT gateway_id, forced FROM audit_log") == [{"gateway_id": gateway_id, "forced": False}]


def test_a_charge_that_the_gateway_named_can_be_given_back(till: Till, stuck: int) -> None:
    till.gateway.finding = Succeeded("pi_1")
    by_hand(till, stuck)
    assert till.refund(stuck).status == 201
    assert till.gateway.calls[-1][1].charge_id == "pi_1"


AGAINST: list[tuple[Turn | None, bool, str, str]] = [
    (Succeeded("pi_1"), False, "succeeded", "FAILED"),
    (Declined("expired", "pi_1"), True, "declined (expired)", "SUCCESS"),
    (None, True, "never heard of it", "SUCCESS"),
]


@pytest.mark.parametrize(("found", "succeeded", "said", "status"), AGAINST)
def test_against_what_the_gateway_says_it_is_settled_only_by_force_which_is_noted(
    till: Till, place: Place, stuck: int, found: Turn | None, succeeded: bool, said: str, status: str
) -> None:
    till.gateway.finding = found
    with pytest.raises(NotSettled) as refused:
        by_hand(till, stuck, succeeded)
    assert said in str(refused.value)
    assert "FORCE=1" in str(refused.value)
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    assert place.sql.value("SELECT locked_at FROM idempotency_keys") is None
    by_hand(till, stuck, succeeded, force=True)
    assert place.sql.value("SELECT status FROM payments") == status
    assert place.sql.run("SELECT gateway_said, forced FROM audit_log") == [{"gateway_said": said, "forced": True}]


def test_force_where_the_gateway_agrees_is_no_force(till: Till, place: Place, stuck: int) -> None:
    till.gateway.finding = Succeeded("pi_1")
    by_hand(till, stuck, force=True)
    assert place.sql.value("SELECT forced FROM audit_log") is False


def test_another_account_that_never_heard_of_it_says_nothing_against_it(till: Till, place: Place, stuck: int) -> None:
    till.gateway = ScriptedGateway(account="acct_another")
    by_hand(till, stuck)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"
    assert "acct_scripted" in place.sql.value("SELECT gateway_said FROM audit_log")


def test_a_refund_is_named_by_its_reference(till: Till, place: Place) -> None:
    paid = shown(till.pay(amount="20.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    reference = shown(till.refund(paid, "5.00"))["reference"]
    by_hand(till, reference, succeeded=False)
    assert place.sql.run("SELECT reserved_amount, refunded_amount FROM payments") == [
        {"reserved_amount": 0, "refunded_amount": 0}
    ]
    assert place.sql.value("SELECT action FROM audit_log") == "settle_refund"


@pytest.mark.parametrize("which", ["999", "PAY-nothing", "", "1; DROP TABLE payments"])
def test_what_is_not_pending_is_not_settled(till: Till, stuck: int, place: Place, which: str) -> None:
    with pytest.raises(NotSettled, match="is not pending"):
        by_hand(till, which)
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0


def test_what_is_settled_already_is_not_settled_again(till: Till, place: Place, stuck: int) -> None:
    till.pay(key="k")
    with pytest.raises(NotSettled):
        by_hand(till, stuck, succeeded=False)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"


def test_what_is_being_worked_on_is_not_settled(till: Till, place: Place, stuck: int) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = now()")
    with pytest.raises(NotSettled, match="worked on"):
        by_hand(till, stuck)
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_what_is_settled_otherwise_while_the_gateway_is_asked_is_a_contradiction(
    till: Till, place: Place, stuck: int
) -> None:
    def meanwhile(_: object) -> Succeeded:
        place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
        till.gateway.next(Declined("expired"))
        till.pay(key="k")
        return Succeeded("pi_1")

    till.gateway.finding = meanwhile
    with pytest.raises(NotSettled, match="in the meantime"):
        by_hand(till, stuck)
    assert place.sql.run("SELECT action, outcome, gateway_id FROM audit_log") == [
        {"action": "contradiction", "outcome": "succeeded", "gateway_id": "pi_1"}
    ]


def test_what_is_settled_while_the_gateway_is_asked_leaves_no_audit_entry(till: Till, place: Place, stuck: int) -> None:
    def meanwhile(_: object) -> Unknown:
        place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
        till.pay(key="k")
        return Unknown("busy")

    till.gateway.finding = meanwhile
    with pytest.raises(NotSettled, match="in the meantime"):
        by_hand(till, stuck, succeeded=False)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0


def test_a_charge_of_another_gateway_is_listed_and_may_be_settled(till: Till, place: Place, stuck: int) -> None:
    till.gateway = ScriptedGateway("another")
    [line] = list_pending(till.deps)
    assert line.endswith("scripted: not known (its gateway is scripted, whose settings are absent)")
    by_hand(till, stuck)
    assert till.gateway.calls == []
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"


def test_the_program_writes_who_it_was_for_all_to_see(till: Till, place: Place, stuck: int) -> None:
    """With the rights that the functions' role has, and no others."""
    words = [f"--settle={stuck}", "--as=failed", "--reason=ticket 8841"]
    environment = {"PATH": os.environ["PATH"], "OPERATOR": "asha", **place.environment}
    done = subprocess.run(
        [sys.executable, "-m", "shared.charging.by_hand", *words],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"payment {stuck} is settled as failed, by asha\n")
    listed = json.loads(payments.events(till.database, stuck, Page()))["data"]
    assert [(event["type"], event["actor"], event["reason"]) for event in listed] == [
        ("payment.failed", "asha", None),
        ("payment.settled_by_hand", "asha", "ticket 8841"),
        ("payment.requested", None, None),
    ]


AS_TYPED = 'cost $5, $(shell false) & "it\'s" `id` $(id) $x $$ # \\ ; ü %s\n-- second line'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a python that prints its arguments and who it is told to be."""
    python = tmp_path / "python"
    show = "import json, os, sys; print(json.dumps([*sys.argv[1:], os.environ.get('OPERATOR')]))"
    python.write_text(f'#!/bin/sh\nexec \'{sys.executable}\' -c "{show}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def make(programs: Path, *words: str, **shell: str) -> list[str | None]:
    """What `make pending` passes on to the program."""
    done = subprocess.run(
        ["make", "--silent", "--old-file=venv", f"BIN={programs}", "pending", *words],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **shell},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str | None] = json.loads(done.stdout)
    assert found[:3] == ["-m", "local.database", "shared.charging.by_hand"]
    return found[3:]


def test_make_passes_on_what_is_typed_whatever_is_in_it(programs: Path) -> None:
    typed = {"SETTLE": "7", "AS": "failed", "REASON": AS_TYPED, "OPERATOR": "o'$hea"}
    expected = ["--settle=7", "--as=failed", f"--reason={AS_TYPED}"]
    words = [f"{name}={value}" for name, value in typed.items()]
    assert make(programs, *words) == [*expected, "o'$hea"]
    assert make(programs, **typed) == [*expected, "o'$hea"]
    assert make(programs, *words, "FORCE=1") == [*expected, "--force", "o'$hea"]
    assert make(programs, *words, "FORCE=0") == [*expected, "o'$hea"]
    assert make(programs, AS="x86_64-linux-gnu-as") == [None]


def test_what_is_typed_is_in_the_audit_trail_and_bytes_that_are_no_text_are_refused_in_a_line(
    till: Till, place: Place, stuck: int
) -> None:
    def command(reason: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "shared.charging.by_hand",
                f"--settle={stuck}",
                "--as=failed",
                f"--reason={reason}",
                "--force",
            ],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], "OPERATOR": "asha", **place.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    refused = command("no text: \udcff")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "REASON must be text" in refused.stderr
    assert command("").returncode == 1
    assert command(AS_TYPED).returncode == 0, command(AS_TYPED).stderr
    assert place.sql.value("SELECT reason FROM audit_log") == AS_TYPED
