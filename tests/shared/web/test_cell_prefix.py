"""What stands before a cell's paths: its own prefix, from the front door of all cells, and nothing that anybody else writes."""

from dataclasses import replace

import pytest

from shared.rules.cells import read_cells
from shared.web.cell_prefix import base_of, prefix_of
from tests.support.settings import SETTINGS

MUMBAI = replace(SETTINGS, cell=1, cell_name="mumbai", cells=read_cells("mumbai=1,delhi=2"))
FOUND = {"Payment-Cell": "1"}


def test_a_cell_s_own_prefix_stands_before_its_paths() -> None:
    assert prefix_of("mumbai") == "/cells/mumbai"
    assert base_of(MUMBAI, {"X-Forwarded-Prefix": "/cells/mumbai"}) == "/cells/mumbai"
    assert base_of(replace(MUMBAI, cells=()), {"X-Forwarded-Prefix": "/cells/mumbai"}) == "/cells/mumbai"


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "/",
            "/cells",
            "/cells/",
            "/cells/delhi",
            "/cells/mumbai/",
            "/cells/mumbai2",
            "/cells/1",
            "/CELLS/MUMBAI",
        ),
        *("//evil.example", "https://evil.example/cells/mumbai", "/cells/mumbai, /cells/mumbai", '/cells/mumbai">'),
    ],
)
def test_whatever_else_is_written_there_is_nothing(written: str) -> None:
    assert base_of(MUMBAI, {"X-Forwarded-Prefix": written}) == ""


def test_a_cell_without_a_name_has_no_prefix() -> None:
    for written in ("", "/cells/", "/cells/0"):
        assert base_of(SETTINGS, {"X-Forwarded-Prefix": written, "Payment-Cell": "0"}) == ""


def test_a_page_that_was_found_by_an_id_leads_on_under_the_prefix() -> None:
    for named in ("1", "mumbai"):
        assert base_of(MUMBAI, {"Payment-Cell": named, "Host": "10.0.0.1:8080"}) == "/cells/mumbai"
    assert base_of(MUMBAI, {**FOUND, "X-Forwarded-Host": "pay.example.com"}) == "/cells/mumbai"
    assert base_of(MUMBAI, {"Payment-Cell": "2"}) == ""
    assert base_of(replace(MUMBAI, cells=read_cells("mumbai=1")), FOUND) == "", "it is the only one"


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host"])
def test_where_the_host_names_the_cell_nothing_else_has_to(name: str) -> None:
    for host in ("mumbai.pay.example.com", "Mumbai.pay.example.com:8443", "10.0.0.1:80, mumbai.pay.example.com"):
        assert base_of(MUMBAI, {**FOUND, name: host}) == ""
    assert base_of(MUMBAI, {**FOUND, name: "mumbai2.pay.example.com"}) == "/cells/mumbai"
