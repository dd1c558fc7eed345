"""Text for a PDF: which font has it, the glyphs it becomes, and the fonts with those glyphs and no others.

HarfBuzz shapes, so that Indian scripts are joined as they are written, and cuts the fonts down. What no font has is spelled in
Latin letters.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import pydyf
import uharfbuzz as hb
from anyascii import anyascii

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "NotoSans_400Regular", "NotoSans_700Bold"
EM = 1000  # units that a PDF counts in
INVISIBLE = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
NOTHING = "\N{ZERO WIDTH SPACE}"  # what a glyph means that is only a part of a letter


class Font:
    """One file of letters. Read, never changed: a process has each once, for all its threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.face = hb.Face(hb.Blob.from_file_path(str(FONTS / f"{name}.ttf")))
        self.font = hb.Font(self.face)
        self.letters = set(self.face.unicodes)

    def units(self, length: float) -> float:
        return length * EM / float(self.face.upem)

    def advance(self, glyph: int) -> float:
        return self.units(self.font.get_glyph_h_advance(glyph))


@cache
def font(name: str) -> Font:
    return Font(name)


@cache
def _others() -> list[str]:
    return sorted(path.stem for path in FONTS.glob("*_400Regular.ttf") if path.stem != REGULAR)


class Glyph(NamedTuple):
    """A picture of a font, by its number there. `means`: text, where it is not a part of the one before. How far it leads, and
    how far from there it stands, in thousandths of the font's size."""

    number: int
    means: str
    advance: float
    aside: float
    above: float


class Run(NamedTuple):
    """A piece of text in one font, shaped."""

    font: Font
    text: str
    glyphs: list[Glyph]

    @property
    def width(self) -> float:
        return sum(glyph.advance for glyph in self.glyphs)


def shaped(text: str, bold: bool = False) -> list[Run]:
    """A line of text as runs, as they stand from the left to the right."""
    first = font(BOLD if bold else REGULAR)
    pieces = [(each, "".join(chars)) for each, chars in _pieces(_settable(text, first), first)]
    runs = [_shape(each, piece) for each, piece in pieces]
    from_the_right = next((unicodedata.bidirectional(char) in ("R", "AL") for char in text if char.isalpha()), False)
    return runs[::-1] if from_the_right else runs


def width(runs: list[Run]) -> float:
    return sum(run.width for run in runs)


def _settable(text: str, first: Font) -> str:
    """The text in letters that some font has, without what only steers its direction."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(_letters(char, first) for char in composed)


def _letters(char: str, first: Font) -> str:
    if unicodedata.category(char) == "Cf":
        return char if char in INVISIBLE else ""
    return char if _font_of(char, first) else anyascii(char) or "?"


@lru_cache(4096)
def _font_of(char: str, first: Font) -> Font | None:
    names = [first.name, REGULAR, *_others()]
    return next((font(name) for name in names if ord(char) in font(name).letters), None)


def _pieces(text: str, first: Font) -> Iterator[tuple[Font, list[str]]]:
    """Parts the text where the font changes: a blank, a mark or a joiner goes with what is before it."""
    chosen = first
    fonts = []
    for char in text:
        joins = char in INVISIBLE or char == " " or unicodedata.category(char).startswith("M")
        if not (joins and (ord(char) in chosen.letters or char in INVISIBLE)):
            chosen = _font_of(char, first) or first
        fonts.append((chosen, char))
    for each, pairs in groupby(fonts, key=lambda pair: pair[0]):
        yield each, [char for _, char in pairs]


def _shape(each: Font, text: str) -> Run:
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    hb.shape(each.font, buffer)
    glyphs: list[Glyph] = []
    seen: set[int] = set()
    starts = sorted({found.cluster for found in buffer.glyph_infos})
    ends = dict(pairwise([*starts, len(text)]))
    for found, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        meant = "" if found.cluster in seen else text[found.cluster : ends[found.cluster]]
        seen.add(found.cluster)
        lengths = (each.units(length) for length in (place.x_advance, place.x_offset, place.y_offset))
        glyphs.append(Glyph(found.codepoint, meant, *lengths))
    return Run(each, text, glyphs)


class Typesetter:
    """Writes lines of text into one PDF, and the fonts with what was written."""

    def __init__(self) -> None:
        self._used: dict[Font, dict[int, str]] = {}

    def write(self, stream: pydyf.Stream, runs: list[Run], x: float, y: float, size: float) -> None:
        """Writes a line that begins at (x, y), in points from the lower left corner."""
        for run in runs:
            used = self._used.setdefault(run.font, {})
            stream.begin_marked_content("Span", pydyf.Dictionary({"ActualText": _utf16(run.text)}).data)
            stream.begin_text()
            stream.set_font_size(run.font.name, size)
            stream.set_text_matrix(1, 0, 0, 1, round(x, 3), round(y, 3))
            for rise, shown in groupby(run.glyphs, key=lambda glyph: glyph.above):
                stream.set_text_rise(round(rise * size / EM, 3))
                parts = []
                for glyph in shown:
                    used.setdefault(glyph.number, glyph.means)
                    back = run.font.advance(glyph.number) - glyph.advance + glyph.aside
                    parts.append(f"{-glyph.aside:g} <{glyph.number:04x}> {back:g}")
                stream.show_text(" ".join(parts).encode())
            stream.end_text()
            stream.end_marked_content()
            x += run.width * size / EM

    def fonts(self, pdf: pydyf.PDF) -> pydyf.Dictionary:
        """Adds the fonts that were used: what a page's resources name."""
        names = pydyf.Dictionary()
        for each, used in self._used.items():
            names[each.name] = _added(pdf, each, used)
        return names


def _added(pdf: pydyf.PDF, each: Font, used: dict[int, str]) -> bytes:
    """The font in a PDF, with the glyphs that are used, under their own numbers (ISO 32000-1, 9.7)."""
    file = _added_object(pdf, pydyf.Stream([_cut(each, used)], compress=True))
    x_min, y_min, x_max, y_max = (each.units(edge) for edge in _box(each))
    extents = each.font.get_font_extents("ltr")
    named = f"/{_tag(used)}+{each.name.replace('_', '-')}"
    descriptor = {
        "Type": "/FontDescriptor", "FontName": named, "Flags": 4, "ItalicAngle": 0, "StemV": 80,
        "FontBBox": pydyf.Array([x_min, y_min, x_max, y_max]), "CapHeight": 714,
        "Ascent": each.units(extents.ascender), "Descent": each.units(extents.descender), "FontFile2": file,
    }  # fmt: skip
    widths = pydyf.Array()
    for glyph in sorted(used):
        widths += [glyph, pydyf.Array([each.advance(glyph)]).data]
    descendant = {
        "Type": "/Font", "Subtype": "/CIDFontType2", "BaseFont": named, "CIDToGIDMap": "/Identity", "W": widths,
        "CIDSystemInfo": "<</Registry (Adobe) /Ordering (Identity) /Supplement 0>>",
        "FontDescriptor": _added_object(pdf, pydyf.Dictionary(descriptor)),
    }  # fmt: skip
    whole = {
        "Type": "/Font", "Subtype": "/Type0", "BaseFont": named, "Encoding": "/Identity-H",
        "DescendantFonts": pydyf.Array([_added_object(pdf, pydyf.Dictionary(descendant))]),
        "ToUnicode": _added_object(pdf, pydyf.Stream([_meanings(used)], compress=True)),
    }  # fmt: skip
    return _added_object(pdf, pydyf.Dictionary(whole))


def _cut(each: Font, used: dict[int, str]) -> bytes:
    wanted = hb.SubsetInput()
    wanted.flags = hb.SubsetFlags.RETAIN_GIDS | hb.SubsetFlags.NO_LAYOUT_CLOSURE | hb.SubsetFlags.NOTDEF_OUTLINE
    wanted.sets(hb.SubsetInputSets.GLYPH_INDEX).update(used)
    wanted.sets(hb.SubsetInputSets.DROP_TABLE_TAG).update(
        int.from_bytes(table) for table in (b"GSUB", b"GPOS", b"GDEF", b"name", b"post", b"OS/2", b"STAT")
    )
    return bytes(hb.subset(each.face, wanted).blob.data)


def _meanings(used: dict[int, str]) -> bytes:
    """What the glyphs mean, for whoever searches or copies (ISO 32000-1, 9.10.3)."""
    meant = [f"<{glyph:04x}> {_utf16(text or NOTHING)}" for glyph, text in sorted(used.items())]
    blocks = [meant[start : start + 100] for start in range(0, len(meant), 100)]
    mappings = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /Meanings def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n{mappings}\nendcmap\nend\nend"
    ).encode()


def _box(each: Font) -> tuple[int, int, int, int]:
    head = each.face.reference_table("head").data
    a, b, c, d = (int.from_bytes(head[at : at + 2], signed=True) for at in (36, 38, 40, 42))
    return a, b, c, d


def _tag(used: dict[int, str]) -> str:
    """The six capitals that mark a part of a font, the same for the same part (ISO 32000-1, 9.6.4)."""
    digest = hashlib.sha256(repr(sorted(used)).encode()).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


def _utf16(text: str) -> str:
    return f"<{text.encode('utf-16-be', 'replace').hex()}>"


def _added_object(pdf: pydyf.PDF, made: pydyf.Object) -> bytes:
    """Its reference."""
    pdf.add_object(made)
    return bytes(made.reference)
