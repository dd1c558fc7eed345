"""What is measured again and again becomes one figure, with its spread, held against its goal."""

from benchmarks.measured import Goal, Measured, Row, Spread, at_least, at_most, ratios, short


def test_a_figure_is_the_median_and_shows_its_spread() -> None:
    spread = Spread.of([0.5, 0.4, 0.9])
    assert spread == Spread(0.5, 0.4, 0.9)
    assert str(spread) == "0.50 (0.40 to 0.90)"
    assert str(Spread.of([2])) == "2.00"


def test_a_ratio_is_taken_round_by_round() -> None:
    # The second round was disturbed, both sides of it alike.
    assert ratios([300, 150, 310], [600, 300, 600]).median == 0.5


def test_a_goal_is_a_bound_on_the_median_as_it_is_shown() -> None:
    assert at_least(0.6).reached(0.6)
    assert not at_least(0.6).reached(0.59)
    assert at_most(1.2).reached(1.2)
    assert not at_most(1.2).reached(1.21)
    assert at_least(1.0).reached(0.998), "which is shown as 1.00"
    assert (str(at_least(0.6)), str(at_most(1.15))) == ("≥ 0.60", "≤ 1.15")


def test_numbers_have_three_digits() -> None:
    assert [short(value) for value in (0.123, 9.87, 23.45, 745.4, 10_000_000)] == [
        "0.12",
        "9.87",
        "23.4",
        "745",
        "10,000,000",
    ]


def test_a_figure_is_stored_and_read_back_as_it_was() -> None:
    rows = [
        Row("a", Spread.of([1, 2]), "×", "ours", "beside", Goal(2, at_least=False)),
        Row("b", Spread.of([3]), "ms", "ours"),
    ]
    measured = Measured(rows, {"throughput": [{"clients": 1, "function": 90.5}]})
    assert measured.as_json()["rows"][0]["reached"] is True
    assert measured.as_json()["rows"][1]["reached"] is None
    assert Measured.from_json(measured.as_json()) == measured
