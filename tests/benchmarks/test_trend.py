"""What grows is told from what reached its size, and from what comes and goes."""

import pytest

from benchmarks.trend import growth, more

MOMENTS = [float(moment) for moment in range(100)]


def test_what_grows_only_until_it_has_its_size_is_flat() -> None:
    assert growth(MOMENTS, [min(moment, 40.0) for moment in MOMENTS]) == 0


def test_a_leak_shows_through_noise_as_the_share_by_which_the_second_half_grew() -> None:
    leaking = [50 + moment / 20 + (-1) ** int(moment) / 10 for moment in MOMENTS]
    assert growth(MOMENTS, leaking) == pytest.approx(0.046, abs=0.001)


def test_a_few_looks_that_are_off_are_no_trend() -> None:
    assert growth(MOMENTS, [50.0] * 96 + [90.0] * 4) == 0


def test_a_burst_is_no_more_but_what_stays_open_is() -> None:
    burst = [20.0] * 80 + [60.0] * 5 + [20.0] * 15
    assert more(burst) == 0
    assert more([20.0] * 75 + [24.0] * 25) == pytest.approx(0.2)
