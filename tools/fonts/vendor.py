"""`make vendor` writes the fonts of receipts as PDF, with their licence, into shared/reading/receipts/fonts.

Noto Sans has Latin, Greek and Cyrillic; the others the scripts of India's larger languages. What is not needed to set text is
left out: hinting, which is for screens of long ago, names in many languages, and of Noto Sans the phonetic alphabets.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import uharfbuzz as hb

from shared.reading.receipts.typesetting import FONTS
from tests.tools import npm
from tests.tools.kept import keep

PACKAGES = Path(__file__).parent
# What was written: the tests hold the files to it, without fetching 40 MB.
DIGESTS = PACKAGES / "fonts.sha256"
SCRIPTS = [
    "devanagari",
    "bengali",
    "tamil",
    "telugu",
    "kannada",
    "malayalam",
    "gujarati",
    "gurmukhi",
    "oriya",
    "arabic",
]
# Latin to Extended-B, combining marks, Greek and Cyrillic, Latin Extended Additional, punctuation and currencies, signs, minus.
LETTERS = [
    (0x20, 0x24F),
    (0x2B0, 0x36F),
    (0x370, 0x52F),
    (0x1E00, 0x1EFF),
    (0x2000, 0x20CF),
    (0x2100, 0x218F),
    (0x2212, 0x2212),
]


def vendored() -> Iterator[tuple[str, bytes]]:
    """Each file by its name in shared/reading/receipts/fonts."""
    modules = keep("fonts", PACKAGES / "package-lock.json", npm.title_of(PACKAGES), _fetch) / "node_modules"
    for weight in ("400Regular", "700Bold"):
        yield _subset(modules, "noto-sans", "NotoSans", weight, LETTERS)
    for script in SCRIPTS:
        yield _subset(modules, f"noto-sans-{script}", f"NotoSans{script.capitalize()}", "400Regular", None)
    wanted = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    whose, terms = [], ""
    for name, version in wanted.items():
        copyright_line, _, terms = (modules / name / "LICENSE_FONT").read_text(encoding="utf-8").partition("\n")
        whose.append(f"{name} {version}: {copyright_line.strip()}\n")
    yield "LICENCE.txt", ("".join(whose) + terms).encode()


def _subset(
    modules: Path, package: str, family: str, weight: str, letters: list[tuple[int, int]] | None
) -> tuple[str, bytes]:
    name = f"{family}_{weight}.ttf"
    face = hb.Face((modules / "@expo-google-fonts" / package / weight / name).read_bytes())
    wanted = hb.SubsetInput()
    wanted.flags = hb.SubsetFlags.NO_HINTING
    unicodes = wanted.sets(hb.SubsetInputSets.UNICODE)
    if letters is None:
        unicodes.invert()
    for first, last in letters or ():
        unicodes.add_range(first, last)
    return name, hb.subset(face, wanted).blob.data


def _fetch(folder: Path) -> None:
    npm.install(PACKAGES, folder)


def main() -> None:
    shutil.rmtree(FONTS, ignore_errors=True)
    FONTS.mkdir()
    digests = []
    for name, content in vendored():
        (FONTS / name).write_bytes(content)
        digests.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    DIGESTS.write_text("".join(digests), encoding="ascii")


if __name__ == "__main__":
    main()
