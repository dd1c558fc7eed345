"""What pages load and is not ours: `make vendor` writes it, with its licences, into functions/console/vendor."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.tools import npm
from tests.tools.kept import keep

PACKAGES = Path(__file__).with_name("vendored")
VENDOR = Path(__file__).parent.parent / "functions" / "console" / "vendor"
# Of each package, the file that is loaded, and its licence.
FILES = {
    "@picocss/pico": ("css/pico.min.css", "LICENSE.md"),
    "htmx.org": ("dist/htmx.min.js", "LICENSE"),
}


def vendored() -> Iterator[tuple[str, bytes]]:
    """Each file, by its name in functions/console/vendor, as its package has it, byte for byte."""
    modules = keep("vendored", PACKAGES / "package-lock.json", npm.title_of(PACKAGES), _fetch) / "node_modules"
    wanted = json.loads((PACKAGES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for package, (loaded, licence) in FILES.items():
        name = Path(loaded).name
        yield name, (modules / package / loaded).read_bytes()
        terms = (modules / package / licence).read_bytes()
        yield f"{name}.LICENCE.txt", f"{package} {wanted[package]}\n\n".encode() + terms


def _fetch(folder: Path) -> None:
    npm.install(PACKAGES, folder)


def main() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir()
    for name, content in vendored():
        (VENDOR / name).write_bytes(content)


if __name__ == "__main__":
    main()
