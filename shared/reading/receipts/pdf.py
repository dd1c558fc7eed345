"""A receipt as a PDF: one page of A4, the same bytes for the same receipt."""

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping

import pydyf

from shared.platform.settings import Settings
from shared.reading.receipts.receipt import Receipt
from shared.reading.receipts.sheet import Row, Sheet, sheet_of
from shared.reading.receipts.typesetting import EM, Typesetter, shaped, width
from shared.web.answers import Answer

PDF = "application/pdf"
# Points, 1/72 of an inch: A4 (ISO 216), and what is kept free around.
WIDE, HIGH, MARGIN = 595.28, 841.89, 54.0
BLACK, SOFT, RULE = 0.0, 0.3, 0.75  # greys
SIZE, SMALL, GAP = 10.0, 8.5, 18.0
LEADING = 1.4  # of the size


def pdf_receipt(receipt: Receipt, settings: Settings, headers: Mapping[str, str]) -> Answer:
    """The receipt as a file that a browser shows, named after its number."""
    named = {"Content-Disposition": f'inline; filename="receipt-{receipt.number}.pdf"'}
    return Answer(200, drawn(sheet_of(receipt, settings)), PDF, {**headers, **named})


def drawn(sheet: Sheet) -> bytes:
    """A receipt's words as a PDF."""
    paper = _Paper()
    for place, line in enumerate(sheet.seller):
        paper.line(line, SIZE if place == 0 else SMALL, bold=place == 0)
    paper.y -= GAP if sheet.seller else 0
    paper.pair("Receipt for your ride", sheet.number, 15, bold=True)
    paper.y -= GAP / 2
    paper.line(sheet.amount, 26, bold=True)
    paper.line(sheet.state, SIZE, grey=SOFT)
    paper.y -= GAP / 2
    paper.rule()
    for row in sheet.about:
        paper.row(row)
    for title, rows in (
        ("Fare", sheet.fare),
        ("Included taxes", sheet.taxes),
        ("Payment and refunds", sheet.history),
    ):
        paper.table(title, rows)
    paper.y -= GAP
    paper.line("Thank you for riding with us. Keep this receipt for your records.", SMALL, grey=SOFT)
    return paper.printed(sheet)


class _Paper:
    """One page, written from the top to the bottom; `y` is where the next line begins, in points from the lower edge."""

    def __init__(self) -> None:
        self.y = HIGH - MARGIN
        self._stream = pydyf.Stream(compress=True)
        self._typesetter = Typesetter()

    def line(self, text: str, size: float, *, bold: bool = False, grey: float = BLACK) -> None:
        """Text over the whole width, on as many lines as it takes."""
        for part in _wrapped(text, WIDE - 2 * MARGIN, size, bold):
            self.y -= LEADING * size
            self._write(part, MARGIN, size, bold, grey)

    def pair(self, left: str, right: str, size: float, *, bold: bool = False, note: str = "") -> None:
        """What, and at the right edge how much of it, each on as many lines as it takes."""
        whole = WIDE - 2 * MARGIN
        rights = _wrapped(right, whole * 0.75, size, bold)
        room = whole - max(_width(part, size, bold) for part in rights) - 2 * size
        lefts = _wrapped(left, room - (_width(note, SMALL) + size if note else 0), size, bold)
        top = self.y
        for place, part in enumerate(lefts):
            self.y = top - LEADING * size * (place + 1)
            self._write(part, MARGIN, size, bold)
        if note:
            self._write(note, MARGIN + _width(lefts[-1], size, bold) + size, SMALL, grey=SOFT)
        lowest = self.y
        for place, part in enumerate(rights):
            self.y = top - LEADING * size * (place + 1)
            self._write(part, WIDE - MARGIN - _width(part, size, bold), size, bold)
        self.y = min(self.y, lowest)

    def row(self, row: Row, space: float = 0.2) -> None:
        """`space` below it, of the size."""
        self.pair(row.label, row.value, SIZE, bold=row.strong, note=row.note)
        self.y -= SIZE * space

    def table(self, title: str, rows: list[Row]) -> None:
        """Nothing where there are no rows."""
        if not rows:
            return
        self.y -= GAP * 0.7
        self.line(title, SIZE, bold=True)
        self.y -= SIZE * 0.4
        for row in rows:
            self.rule()
            self.row(row, 0.6)

    def rule(self) -> None:
        self._stream.set_color_rgb(RULE, RULE, RULE, stroke=True)
        self._stream.set_line_width(0.5)
        self._stream.move_to(MARGIN, round(self.y, 3))
        self._stream.line_to(WIDE - MARGIN, round(self.y, 3))
        self._stream.stroke()

    def _write(self, text: str, x: float, size: float, bold: bool = False, grey: float = BLACK) -> None:
        self._stream.set_color_rgb(grey, grey, grey)
        self._typesetter.write(self._stream, shaped(text, bold), x, self.y, size)

    def printed(self, sheet: Sheet) -> bytes:
        """The page as a file. What is too long for it is set smaller: a receipt has one page."""
        shrunk = min(1.0, (HIGH - 2 * MARGIN) / (HIGH - MARGIN - self.y))
        if shrunk < 1:
            self._stream.stream.insert(
                0,
                f"{shrunk:.4f} 0 0 {shrunk:.4f} {WIDE * (1 - shrunk) / 2:.2f} {(HIGH - MARGIN) * (1 - shrunk):.2f} cm",
            )
        pdf = pydyf.PDF()
        pdf.add_object(self._stream)
        page = {
            "Type": "/Page",
            "Parent": pdf.pages.reference,
            "MediaBox": pydyf.Array([0, 0, WIDE, HIGH]),
            "Contents": self._stream.reference,
            "Resources": pydyf.Dictionary({"Font": self._typesetter.fonts(pdf)}),
        }
        pdf.add_page(pydyf.Dictionary(page))
        pdf.catalog["Lang"] = pydyf.String(sheet.language)
        pdf.catalog["ViewerPreferences"] = pydyf.Dictionary({"DisplayDocTitle": "true"})
        pdf.info["Title"] = pydyf.String(sheet.title)
        if sheet.seller:
            pdf.info["Author"] = pydyf.String(sheet.seller[0])
        file = io.BytesIO()
        pdf.write(file, identifier=True)
        return file.getvalue()


def _width(text: str, size: float, bold: bool = False) -> float:
    return width(shaped(text, bold)) * size / EM


def _wrapped(text: str, room: float, size: float, bold: bool) -> list[str]:
    """The text as lines that fit: parted at blanks, and within a word only where that is longer than a line."""
    if _width(text, size, bold) <= room:
        return [text]
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, size, bold) <= room:
            lines[-1] = longer
        else:
            lines += _broken(word, room, size, bold)
    return [line for line in lines if line] or [""]


def _broken(word: str, room: float, size: float, bold: bool) -> Iterator[str]:
    while word:
        too_long = bisect_right(range(len(word) + 1), room, key=lambda end: _width(word[:end], size, bold))
        fits = max(1, too_long - 1)
        yield word[:fits]
        word = word[fits:]
