"""The table of what each gateway can do, as a payment asks it."""

import pytest

from local.place import CHECKOUT
from shared.gateways.abilities import ABILITIES

WANTS = "only where the customer approves it (customer_present)"
ASKED: list[tuple[str, str, str, bool, str | None]] = [
    ("cash", "CASH", "INR", False, None),
    ("cash", "CASH", "JPY", True, None),
    ("cash", "CARD", "INR", True, "cannot charge CARD"),
    ("simulated", "CARD", "INR", False, None),
    ("simulated", "UPI", "JPY", False, None),
    ("simulated", "WALLET", "USD", True, None),
    ("simulated", "CASH", "INR", False, "cannot charge CASH"),
    ("stripe", "CARD", "INR", False, None),
    ("stripe", "CARD", "JPY", True, None),
    ("stripe", "WALLET", "USD", False, None),
    ("stripe", "UPI", "INR", True, None),
    ("stripe", "UPI", "INR", False, f"charges UPI {WANTS}"),
    ("stripe", "UPI", "USD", True, "charges UPI in INR only, not in USD"),
    ("stripe", "CASH", "INR", True, "cannot charge CASH"),
]


@pytest.mark.parametrize(("gateway", "method", "currency", "present", "why_not"), ASKED)
def test_whether_a_method_can_be_charged_is_said_with_the_reason(
    gateway: str, method: str, currency: str, present: bool, why_not: str | None
) -> None:
    assert ABILITIES[gateway].why_not(method, currency, customer_present=present) == why_not


def test_an_account_can_do_no_more_than_its_gateway() -> None:
    stripe = ABILITIES["stripe"].only({"CARD", "CASH"})
    assert set(stripe.methods) == {"CARD"}
    assert stripe.why_not("UPI", "INR", customer_present=True) == "cannot charge UPI"


def test_the_documentation_shows_the_table_as_it_is() -> None:
    lines = (CHECKOUT / "docs" / "api.md").read_text().splitlines()
    first = lines.index("| gateway | method | currencies | without the customer | waits for one who is present |") + 2
    shown: set[tuple[str, ...]] = set()
    for line in lines[first : lines.index("", first)]:
        gateway, methods, *how = (cell.strip() for cell in line.strip("|").split("|"))
        shown |= {(gateway, method, *how) for method in methods.split(", ")}
    says = {True: "yes", False: "no"}
    assert shown == {
        (name, method, ", ".join(sorted(how.currencies or {"all"})), says[how.off_session], says[row.waits])
        for name, row in ABILITIES.items()
        for method, how in row.methods.items()
    }
