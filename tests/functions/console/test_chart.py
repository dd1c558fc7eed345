"""The bars of payments over time."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.console.chart import GAP, HEIGHT, LEAST, LEFT, WIDTH, Chart, chart
from shared.reading.figures import Happened

COUNTS = st.integers(0, 40_000_000)


def drawn(*columns: tuple[int, int, int], every: int = 1) -> Chart:
    happened = [Happened(0, charged, declined, refunds) for charged, declined, refunds in columns]
    names = [str(n) for n in range(len(columns))]
    return chart(happened, names, names, every)


def test_bars_are_as_high_as_what_they_count() -> None:
    [column] = drawn((60, 30, 10)).columns
    charged, declined, refunded = column.bars
    assert [bar.kind for bar in column.bars] == ["charged", "declined", "refunded"]
    assert charged.height + GAP == pytest.approx(2 * (declined.height + GAP))
    assert charged.height + GAP == pytest.approx(6 * (refunded.height + GAP))
    assert declined.y + declined.height < charged.y
    assert charged.y + charged.height < refunded.y


def test_one_of_many_can_still_be_seen() -> None:
    [_, column] = drawn((1_000_000, 0, 0), (0, 1, 1)).columns
    assert [bar.height for bar in column.bars] == [LEAST, LEAST]


@given(columns=st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=31))
def test_everything_is_within_the_drawing(columns: list[tuple[int, int, int]]) -> None:
    made = drawn(*columns)
    for column in made.columns:
        for bar in column.bars:
            assert bar.x >= LEFT
            assert bar.x + bar.width <= WIDTH
            assert bar.y >= 0
            assert bar.y + bar.height <= HEIGHT
            assert bar.height > 0
    assert all(len(line.label) <= 5 for line in made.lines)


def test_net_moves_below_nothing_have_no_bar() -> None:
    """A payment that is deleted, by whoever owns the database, is one less."""
    [column] = chart([Happened(-1, -1, 0, 0, Decimal(0), Decimal(-1))], [""], [""], 1).columns
    assert column.bars == []


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (1, ["1", "0"]),
        (3, ["4", "2", "0"]),
        (10, ["10", "5", "0"]),
        (101, ["120", "60", "0"]),
        (4_500, ["5k", "2500", "0"]),
        (43_200, ["50k", "25k", "0"]),
        (1_500_000, ["1.6M", "800k", "0"]),
    ],
)
def test_lines_are_at_round_numbers(most: int, labels: list[str]) -> None:
    assert [line.label for line in drawn((most, 0, 0)).lines] == labels


def test_a_narrow_page_leaves_every_other_label_out() -> None:
    columns = drawn(*[(1, 0, 0)] * 24, every=2).columns
    assert [column.label for column in columns[:5]] == ["0", "", "2", "", "4"]
    assert [column.minor for column in columns[:5:2]] == [False, True, False]
    assert not any(column.minor for column in drawn(*[(1, 0, 0)] * 7).columns)
