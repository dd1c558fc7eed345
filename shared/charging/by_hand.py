"""What is stuck, for an operator: `make pending` lists it, `make pending SETTLE=… AS=… REASON=…` settles one by hand."""

import argparse
import sys
import time
from typing import Literal

from shared.charging.askings import Askings
from shared.charging.attempt import find
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Lease, lease_of, release, take_over
from shared.charging.settle import note_contradiction, settlement
from shared.gateways.protocol import Declined, Outcome, Succeeded, Unknown, Waiting, describe
from shared.platform import log
from shared.platform.database import DatabaseUnavailable
from shared.platform.operator import is_text, operator
from shared.platform.settings import read_settings
from shared.platform.terminal import printable

# As many as a person reads; looked for among so many of the oldest, since what waits for its customer is not stuck.
MOST = 100
LOOKED_THROUGH = 5_000
# The failure code of what a person settles as failed, where the gateway gives none.
BY_HAND = "settled_by_hand"


class NotSettled(Exception):
    """Nothing was changed. The message says why, to whoever ran `make pending`; `why` says it to a program: it is not pending,
    somebody is working on it at this moment, the gateway says otherwise (`gateway_said`; `force` settles it all the same), or
    it was settled while the gateway was asked."""

    def __init__(
        self,
        why: Literal["not_pending", "under_way", "gateway_disagrees", "settled_meanwhile"],
        message: str,
        gateway_said: str | None = None,
    ) -> None:
        super().__init__(message)
        self.why = why
        self.gateway_said = gateway_said


def list_pending(deps: Dependencies) -> list[str]:
    """One line for each charge and refund that is not settled, but for what waits for its customer, oldest first: what it is,
    its age, how often the gateway was asked, and what the gateway says now (it is read, never asked to charge). Raises
    DatabaseUnavailable."""
    lines = []
    for row in deps.database.run_again("pending", looked=LOOKED_THROUGH, limit=MOST):
        lease = lease_of(deps, row, taken_at=time.monotonic())  # not taken: it is only read
        request = lease.request
        lines.append(
            f"{_name(lease)}  {request.reference}  {request.amount} {request.currency}  pending {_age(request.age)},"
            f" asked {request.asked} times, {lease.gateway}: {gateway_says(deps, lease)}"
        )
    return lines


def pending(deps: Dependencies, which: str) -> Lease:
    """What is pending under a name: the id of a payment, or the reference of a payment or refund. Not taken, only to be read.
    Raises NotSettled where nothing is, and DatabaseUnavailable."""
    named = deps.database.one("pending_named", which=which)
    if named is None:
        raise NotSettled("not_pending", f"{which} is not pending")
    return lease_of(deps, named, taken_at=time.monotonic())


def gateway_says(deps: Dependencies, lease: Lease) -> str:
    """What the gateway says of it now, for people. It is read, never asked to charge."""
    return describe(find(deps, lease, Askings()))


def settle_by_hand(
    deps: Dependencies, which: str, succeeded: bool, actor: str, reason: str, *, force: bool = False
) -> str:
    """Settles one as succeeded or failed, with its event and answer, and an entry in the audit trail in the same commit.

    The gateway is asked first, and what it knows of it (its id, why it was declined) is stored. Against what it says nothing
    is settled, unless `force`. `which` names it as for `pending`. Raises NotSettled, and DatabaseUnavailable.
    """
    lease = take_over(deps, pending(deps, which).key_hash)
    if lease is None:
        raise NotSettled("under_way", f"{which} is being worked on at this moment; try again in a minute")
    askings = Askings(actor)
    found = find(deps, lease, askings)
    wanted, against = _weigh(found, succeeded)
    if against and not force:
        release(deps, lease, Unknown("somebody wanted to settle it otherwise"), askings)
        said = describe(found)
        raise NotSettled(
            "gateway_disagrees",
            f"{lease.gateway} says of {which}: {said}; to settle it otherwise all the same, FORCE=1",
            said,
        )
    names, parameters = settlement(deps, lease, wanted, askings)
    parameters |= {"actor": actor, "reason": reason, "outcome": "succeeded" if succeeded else "failed"}
    parameters |= {"gateway_said": describe(found), "forced": against}
    if not deps.database.run_together("audit", *names, **parameters):
        if isinstance(found, Succeeded | Declined):
            note_contradiction(deps, lease, found)
        raise NotSettled("settled_meanwhile", f"{which} was settled in the meantime", describe(found))
    return f"{_name(lease)} is settled as {parameters['outcome']}, by {actor}"


def _weigh(found: Outcome | None, succeeded: bool) -> tuple[Succeeded | Declined, bool]:
    """The outcome that somebody wants, with what the gateway knows of it, and whether the gateway says the contrary: where it
    waits for the customer, it was not paid, and may be yet."""
    gateway_id = found.gateway_id if found else None
    if succeeded:
        return Succeeded(gateway_id), found is None or isinstance(found, Declined | Waiting)
    code = found.code if isinstance(found, Declined) else BY_HAND
    return Declined(code, gateway_id), isinstance(found, Succeeded | Waiting)


def _name(lease: Lease) -> str:
    return f"payment {lease.payment_id}" if lease.refund_id is None else f"refund of payment {lease.payment_id}"


def _age(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make pending", description="Lists what is not settled, or settles one by hand."
    )
    parser.add_argument("--settle", metavar="ID", help="a payment's id, or a payment's or refund's reference")
    parser.add_argument("--as", dest="outcome")
    parser.add_argument("--reason")
    parser.add_argument("--force", action="store_true", help="settle it against what the gateway says")
    parser.add_argument("--actor", default=operator())
    arguments = parser.parse_args()
    if arguments.settle and not (arguments.outcome in ("succeeded", "failed") and arguments.reason):
        sys.exit("SETTLE needs AS=succeeded or AS=failed, and a REASON")
    for name, typed in (("SETTLE", arguments.settle), ("REASON", arguments.reason), ("OPERATOR", arguments.actor)):
        if not is_text(typed or ""):
            sys.exit(f"{name} must be text in the encoding of this terminal")
    return arguments


def main() -> None:
    arguments = _arguments()
    settings = read_settings()
    log.set_level(settings.log_level)
    log.set_cell(settings.cell_label)
    deps = Dependencies.of(settings)
    try:
        if arguments.settle:
            succeeded, actor, reason = arguments.outcome == "succeeded", arguments.actor, arguments.reason
            print(printable(settle_by_hand(deps, arguments.settle, succeeded, actor, reason, force=arguments.force)))
        else:
            print(
                "\n".join(map(printable, list_pending(deps))) or "Nothing is pending, unless it waits for its customer."
            )
    except NotSettled as refusal:
        sys.exit(printable(str(refusal)))
    except DatabaseUnavailable as failure:
        sys.exit(f"the database does not answer: {failure}")


if __name__ == "__main__":
    main()
