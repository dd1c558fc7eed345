"""The README's pictures, of a service with a month of history and payments of this moment: `make screenshots`."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.place import CHECKOUT
from tests.e2e.client import Client
from tests.e2e.service import Service
from tests.support.browser import Browser, Tab
from tests.tools.chromium import chromium

PICTURES = CHECKOUT / "docs" / "pictures"
WIDTH = 1200
SETTINGS = {
    "TIME_ZONE": "Asia/Kolkata",
    "GATEWAY_SUCCESS_RATE": "0.95",
    "RECEIPT_SELLER": "Namma Rides Private Limited\n12 Residency Road, Bengaluru 560025\nGSTIN 29AAAAA0000A1Z5",
    "RECEIPT_TAX_LINES": '[{"name": "CGST", "rate": "2.5"}, {"name": "SGST", "rate": "2.5"}]',
}
HISTORY = """
INSERT INTO payments (currency, trip_id, amount, method, status, reference,
                      failure_code, refunded_amount, created_at, updated_at)
VALUES ('INR', %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING payment_id"""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    service = Service(0, **SETTINGS)
    try:
        with service.database() as run:
            write_history(run)
        client = Client(service.port)
        told = take_payments(client)
        with (
            Browser(chromium()) as browser,
            browser.open(base_url=f"http://127.0.0.1:{service.port}", viewport={"width": WIDTH, "height": 800}) as tab,
        ):
            take("today", tab, "/console?period=week", 1020)
            take("payment", tab, f"/console/payments/{told}", 1300)
            take("receipt", tab, f"/console/payments/{told}/receipt", 1300)
            tab.page.goto("/docs")
            tab.page.wait_for_selector(".opblock")
            picture("api", tab, 900)
        client.close()
    finally:
        service.end()


def write_history(run: Callable[..., list[tuple[Any, ...]]]) -> None:
    """A month of payments, as rows of history: busier by day than at night, and at the week's end."""
    drawn = random.Random(13)  # noqa: S311 - the same month each time
    now = datetime.now(UTC)
    for number in range(1500):
        day, hour = drawn.randrange(30), min(23.9, max(0.0, drawn.gauss(13, 4.5)))
        moment = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=day, hours=-hour)
        if moment > now or drawn.random() < (0.3 if moment.weekday() < 4 else 0):
            continue
        status = drawn.choices(["SUCCESS", "FAILED", "REFUNDED"], [92, 6, 2])[0]
        amount = round(drawn.uniform(60, 900), 2)
        code = drawn.choice(["card_declined", "insufficient_funds"]) if status == "FAILED" else None
        refunded = amount if status == "REFUNDED" else 0
        method = drawn.choice(["CARD", "UPI", "UPI", "WALLET", "CASH"])
        run(HISTORY, 10_000 + number, amount, method, status, f"RHP{900000 + number}", code, refunded, moment, moment)


def take_payments(client: Client) -> int:
    """Some payments of this moment; gives one that has much to tell."""
    told = client.pay(trip_id=2_000_007, amount=None, metadata={"simulate": "timeout", "channel": "app"}).json
    for trip in range(2_000_008, 2_000_032):
        payment = client.pay(trip_id=trip, amount=None, method=("CARD", "UPI", "WALLET")[trip % 3])
        if payment.status == 201 and trip % 8 == 0:
            client.refund(payment.json["payment_id"], amount=10, metadata={"reason": "Waited too long"})
    for _ in range(100):
        if client.get(f"/payments/{told['payment_id']}").json["status"] != "PENDING":
            break
        time.sleep(0.2)
    client.refund(told["payment_id"], amount=12.5, metadata={"reason": "The driver took a detour"})
    return int(told["payment_id"])


def take(name: str, tab: Tab, address: str, height: int) -> None:
    tab.page.goto(address)
    picture(name, tab, height)


def picture(name: str, tab: Tab, height: int) -> None:
    """The page's upper part, as high as it is, or `height` pixels."""
    high = min(height, int(tab.page.evaluate("document.documentElement.scrollHeight")))
    tab.page.set_viewport_size({"width": WIDTH, "height": high})
    tab.page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
