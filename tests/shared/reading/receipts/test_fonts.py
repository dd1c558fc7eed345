"""The fonts of receipts are what `make vendor` wrote, from the packages that are pinned, with their licence."""

import hashlib
import json

from shared.reading.receipts.typesetting import FONTS, REGULAR, font
from tools.fonts.vendor import DIGESTS, PACKAGES, SCRIPTS


def test_every_file_is_as_it_was_made() -> None:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FONTS.iterdir()}
    lines = (line.split() for line in DIGESTS.read_text(encoding="ascii").splitlines())
    assert files == {name: digest for digest, name in lines}
    assert len(files) == len(SCRIPTS) + 3


def test_the_licence_names_the_packages_that_are_pinned() -> None:
    pinned = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = json.loads((PACKAGES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    licence = (FONTS / "LICENCE.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    for name, version in pinned.items():
        assert f"{name} {version}: Copyright" in licence
        assert locked[f"node_modules/{name}"]["version"] == version


def test_the_usual_letters_are_there() -> None:
    assert {ord(char) for char in "AZaz09₹$€¥£−×·…–’é\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"} <= font(
        REGULAR
    ).letters
