"""The pages lead where they say: every link, every heading, every path of the repository."""

import re
from pathlib import Path

import pytest

from local.place import CHECKOUT

PAGES = [
    *(CHECKOUT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((CHECKOUT / "docs").glob("*.md")),
]
FOLDERS = "functions|shared|sql|seed|local|knative|compose|tests|tools|benchmarks|docs"
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    """A page without its fenced blocks, which show what is typed and printed."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_leads_to_a_page_and_its_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_every_path_of_the_repository_exists(page: Path) -> None:
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)", text_of(page)):
        assert (CHECKOUT / path).exists(), path


@pytest.mark.parametrize(("page", "lines"), [("README.md", 210), ("CONTRIBUTING.md", 110)])
def test_what_is_read_first_is_read_in_one_sitting(page: str, lines: int) -> None:
    assert len((CHECKOUT / page).read_text(encoding="utf-8").splitlines()) <= lines


def test_every_page_is_found_from_the_readme() -> None:
    readme = text_of(CHECKOUT / "README.md")
    for page in PAGES[1:]:
        assert f"]({page.relative_to(CHECKOUT)})" in readme, page
