"""A receipt's PDF: what it says, in which letters, on one page."""

import io

import pypdf
import pytest

from shared.platform.settings import Settings
from shared.reading.receipts.pdf import pdf_receipt
from shared.reading.receipts.receipt import Names, Receipt
from shared.reading.receipts.typesetting import REGULAR, shaped, width
from tests.support import hostile
from tests.support.receipts import FULL, SELLING, SETTINGS, receipt


def file(of: Receipt, settings: Settings = SETTINGS) -> bytes:
    whole = pdf_receipt(of, settings, {}).body
    assert isinstance(whole, bytes)
    return whole


def page(of: Receipt, settings: Settings = SETTINGS) -> pypdf.PageObject:
    read = pypdf.PdfReader(io.BytesIO(file(of, settings)), strict=True)
    [only] = read.pages
    return only


def test_it_says_what_the_page_says() -> None:
    text = " ".join(page(receipt("1.25", names=Names("Priya Iyer")), SELLING).extract_text().split())
    for words in (
        "Namma Rides Private Limited",
        "Receipt for your ride",
        "₹36.50",
        "Paid by card, partly refunded",
        "22 Nov 2026, 5:30 PM IST",
        "Priya Iyer",
        "10.5 km × ₹2.50",
        "₹34.76",
        "−₹1.25",
        "₹35.25",
    ):
        assert words in text


def test_it_is_a_page_of_a4_that_says_what_it_is_and_is_the_same_each_time() -> None:
    whole = file(receipt(), SELLING)
    assert whole == file(receipt(), SELLING)
    read = pypdf.PdfReader(io.BytesIO(whole), strict=True)
    assert read.metadata is not None
    assert (read.metadata.title, read.metadata.author) == ("Receipt RCT-0000000351", "Namma Rides Private Limited")
    assert read.root_object["/Lang"] == "en-IN"
    assert [round(float(edge)) for edge in read.pages[0].mediabox] == [0, 0, 595, 842]


def test_a_browser_shows_it_under_its_number() -> None:
    headers = pdf_receipt(receipt(), SETTINGS, {"Vary": "Accept"}).headers
    assert headers == {"Vary": "Accept", "Content-Disposition": 'inline; filename="receipt-RCT-0000000351.pdf"'}


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("आदित्य कृष्णमूर्ति", "Devanagari"),
        ("তানিয়া", "Bengali"),
        ("தமிழ்ச்செல்வி", "Tamil"),
        ("తెలుగు", "Telugu"),
        ("ಕನ್ನಡ", "Kannada"),
        ("മലയാളം", "Malayalam"),
        ("ગુજરાતી", "Gujarati"),
        ("ਪੰਜਾਬੀ", "Gurmukhi"),
        ("ଓଡ଼ିଆ", "Oriya"),
        ("محمد", "Arabic"),
    ],
)
def test_a_name_in_an_indian_script_is_set_in_its_own_letters(name: str, script: str) -> None:
    runs = shaped(name)
    assert {run.font.name for run in runs} == {f"NotoSans{script}_400Regular"}
    assert all(glyph.number for run in runs for glyph in run.glyphs), "0 is the box for what a font lacks"
    assert "".join(run.text for run in runs) == name
    resources = page(receipt(names=Names(name)))["/Resources"]
    assert f"/NotoSans{script}_400Regular" in resources["/Font"]


def test_letters_are_joined_as_they_are_written() -> None:
    apart, joined = shaped("क्\N{ZERO WIDTH NON-JOINER}ष"), shaped("क्ष")
    assert len(joined[0].glyphs) == 1
    assert width(joined) != width(apart)


@pytest.mark.parametrize(("name", "spelled"), [("王伟", "WangWei"), ("Ωμέγα", "Ωμέγα"), ("ꙮ", None), ("\ue000", "?")])
def test_what_no_font_has_is_spelled_in_latin_letters(name: str, spelled: str | None) -> None:
    runs = shaped(name)
    assert {run.font.name for run in runs} == {REGULAR}
    assert spelled is None or "".join(run.text for run in runs) == spelled


def test_hostile_text_is_text() -> None:
    names = Names(hostile.TEXT, ")Tj ET Q \\( <</S /JavaScript>>")
    only = page(receipt(names=names, reference=hostile.TEXT, method=hostile.TEXT, status=hostile.TEXT))
    assert ")Tj ET Q \\( <</S /JavaScript>>" in only.extract_text()
    assert "/Annots" not in only


def test_the_longest_receipt_is_set_smaller_and_stays_on_its_page() -> None:
    names = Names("Bhuvaneshwari " * 5, "W" * 80)
    only = page(receipt("1.00", "1.00", "1.00", "1.00", "1.00", names=names, refunded_amount=20.0), FULL)
    lowest: list[float] = []
    only.extract_text(
        visitor_text=lambda text, cm, tm, *_: lowest.append(tm[5] * cm[3] + cm[5]) if text.strip() else None
    )
    assert min(lowest) > 36
