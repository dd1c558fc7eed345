"""The receipt's page in a real browser: what it shows, and that hostile text in a payment stays text."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import Client, new_trip
from tests.e2e.service import Service

SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=800,1000",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Runs Chromium with further switches, in a profile of its own; gives what it printed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.fail("This test needs Chromium. On Debian: apt-get install chromium", pytrace=False)
    profile = Path(tempfile.mkdtemp(prefix="chromium-"))

    def run(*switches: str) -> str:
        command = [program, *SWITCHES, f"--user-data-dir={profile}", *switches]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()

    yield run
    shutil.rmtree(profile, ignore_errors=True)


def shown(dom: str) -> str:
    """The words of a page, without its elements."""
    body = dom[dom.index("<body") :]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_receipt_is_a_page_in_a_browser(service: Service, client: Client, browser: Any, tmp_path: Path) -> None:
    payment = client.pay(trip_id=new_trip() * 5 + 2, amount=None).json
    client.refund(payment["payment_id"], amount=1)
    picture = tmp_path / "receipt.png"
    url = f"http://127.0.0.1:{service.port}/v1/payments/{payment['payment_id']}/receipt"
    dom = browser("--dump-dom", f"--screenshot={picture}", url)
    words = shown(dom)
    for part in (payment["reference"], f"INR {payment['amount']:.2f}", "Paid by card", "partly refunded", "Base fare"):
        assert part in words
    assert "Refunded INR 1.00" in words
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    assert (width, height) == (800, 1000)
    # An empty page of this size is a few kilobytes.
    assert len(content) > 10_000


def test_hostile_text_in_metadata_is_no_markup(service: Service, client: Client, browser: Any) -> None:
    hostile = (
        "</style></main><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{7*7}}"
    )
    payment = client.pay(metadata={hostile: hostile, "note": hostile}).json
    client.refund(payment["payment_id"], amount=1, metadata={"reason": hostile})
    path = f"/payments/{payment['payment_id']}/receipt"
    dom = browser("--dump-dom", f"http://127.0.0.1:{service.port}{path}")
    assert "owned" not in dom.split("</head>")[0]
    assert not re.search(r"<(script|img)\b", dom)
    assert "49" not in re.sub(r"[0-9A-Z]{8,}", "", shown(dom)).split()
    page = client.get(path, Accept="text/html")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.type == "text/html; charset=utf-8"


def test_a_browser_that_asks_for_no_receipt_is_told_so_as_a_problem(client: Client) -> None:
    declined = client.pay(metadata={"simulate": "decline"}).json["payment"]["payment_id"]
    client.get(f"/payments/{declined}/receipt", Accept="text/html").problem(404, "receipt_not_found")
