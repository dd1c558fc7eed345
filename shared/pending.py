"""What is stuck, for an operator: `make pending` lists it, `make pending SETTLE=… AS=… REASON=…` settles one by hand."""

import argparse
import getpass
import os
import socket
import sys
import time

from shared.database import Database, DatabaseUnavailable, Row
from shared.gateway import CASH, Declined, Gateway, Succeeded, Unknown, chosen_gateway
from shared.lease import Lease, lease_of, take_over
from shared.settle import settlement

MOST = 100
BY_HAND = "settled_by_hand"


class NotSettled(Exception):
    """Nothing was changed; the message says why."""


def list_pending(database: Database, gateway: Gateway) -> list[str]:
    """One line for each charge and refund that is not settled, oldest first: what it is, its age, how often the gateway was
    asked, and what the gateway says now (it is read, never asked to charge). Raises DatabaseUnavailable."""
    lines = []
    for row in database.run_again("pending", limit=MOST):
        lease = _unleased(row)
        lines.append(
            f"{_name(lease)}  {lease.order.reference}  {lease.order.amount} {lease.order.currency}"
            f"  pending {_age(lease.order.age)}, asked {lease.asked} times, {lease.gateway}: {said_now(gateway, lease)}"
        )
    return lines


def said_now(gateway: Gateway, lease: Lease) -> str:
    """What the gateway says of a charge or refund at this moment, in words."""
    if lease.gateway in (CASH, gateway.name):
        found = (
            (gateway.find_charge if lease.refund_id is None else gateway.find_refund)(lease.order)
            if lease.gateway != CASH
            else Succeeded()
        )
        match found:
            case None:
                return "never heard of it"
            case Succeeded():
                return "succeeded"
            case Declined(code=code):
                return f"declined ({code})"
            case Unknown(why=why):
                return f"not known ({why})"
    return f"cannot be asked, this is {gateway.name}"


def settle_by_hand(database: Database, gateway: Gateway, which: str, succeeded: bool, actor: str, reason: str) -> str:
    """Settles one as succeeded or failed, with its event and answer, and an entry in the audit trail in the same commit.

    `which` is the id of a payment, or the reference of a payment or refund. Raises NotSettled, and DatabaseUnavailable.
    """
    named = database.one("pending_named", which=which)
    if named is None:
        raise NotSettled(f"{which} is not pending")
    lease = take_over(database, bytes(named["key_hash"]))
    if lease is None:
        raise NotSettled(f"{which} is being worked on at this moment; try again in a minute")
    name, parameters = settlement(lease, Succeeded() if succeeded else Declined(BY_HAND))
    parameters |= {"actor": actor, "reason": reason, "outcome": "succeeded" if succeeded else "failed"}
    parameters["gateway_said"] = said_now(gateway, lease)
    if not database.run_together("audit", name, **parameters):
        raise NotSettled(f"{which} was settled in the meantime")
    return f"{_name(lease)} is settled as {parameters['outcome']}, by {actor}"


def _unleased(row: Row) -> Lease:
    return lease_of(row, taken_at=time.monotonic())


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
    parser.add_argument("--as", dest="outcome", choices=("succeeded", "failed"))
    parser.add_argument("--reason")
    parser.add_argument("--actor", default=os.environ.get("OPERATOR") or f"{getpass.getuser()}@{socket.gethostname()}")
    arguments = parser.parse_args()
    if arguments.settle and not (arguments.outcome and arguments.reason):
        parser.error("SETTLE needs AS=succeeded or AS=failed, and a REASON")
    return arguments


def main() -> None:
    arguments = _arguments()
    database, gateway = Database(), chosen_gateway()
    try:
        if arguments.settle:
            succeeded = arguments.outcome == "succeeded"
            print(settle_by_hand(database, gateway, arguments.settle, succeeded, arguments.actor, arguments.reason))
        else:
            print("\n".join(list_pending(database, gateway)) or "Nothing is pending.")
    except NotSettled as refusal:
        sys.exit(str(refusal))
    except DatabaseUnavailable as failure:
        sys.exit(f"the database does not answer: {failure}")


if __name__ == "__main__":
    main()
