"""Missed events: each that the gateway lists is kept and rings once, whoever dies meanwhile and however long the list is."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.gateways.facts import EventPage
from shared.gateways.protocol import Unknown
from shared.late import missed
from shared.late.missed import hear_missed
from shared.platform.batches import Done
from shared.platform.database import Row
from tests.support.cluster import Place
from tests.support.ringing import RingingGateway
from tests.support.till import Died, Till, WatchedDatabase

FOREVER = float("inf")


@pytest.fixture
def gateway() -> RingingGateway:
    return RingingGateway()


def hear(till: Till) -> Done:
    return hear_missed(till.deps, FOREVER)


def a_minute_later(place: Place) -> None:
    """The pause between two readings is over, as far as the row says."""
    place.sql.run("UPDATE gateway_cursors SET read_after = now()")


def kept(place: Place) -> list[str]:
    rows = place.sql.run("SELECT event_id FROM gateway_said WHERE source = 'list' ORDER BY said_id")
    return [row["event_id"] for row in rows]


def rung(place: Place) -> dict[str, int]:
    return {row["object_id"]: row["rings"] for row in place.sql.run("SELECT object_id, rings FROM gateway_rings")}


def cursor(place: Place) -> Row:
    return place.sql.run("SELECT *, read_after - now() AS due, now() FROM gateway_cursors")[0]


def test_each_event_is_kept_and_rings_once_however_often_it_is_read(
    till: Till, gateway: RingingGateway, place: Place
) -> None:
    gateway.rings_with("evt_1")
    gateway.rings_with("evt_2")
    assert hear(till) == Done(2)
    a_minute_later(place)
    gateway.rings_with("evt_3")
    assert hear(till) == Done(1)
    assert kept(place) == ["evt_1", "evt_2", "evt_3"]
    assert rung(place) == {"pi_1": 1, "pi_2": 1, "pi_3": 1}


def test_an_event_that_its_webhook_brought_does_not_ring_anew(
    till: Till, gateway: RingingGateway, place: Place
) -> None:
    event = gateway.rings_with("evt_1")
    columns = event._asdict() | {"said": "{}"}
    till.database.run("keep_said", gateway=gateway.name, source="webhook", **columns)
    place.sql.run("DELETE FROM gateway_rings")
    assert hear(till) == Done(0)
    assert rung(place) == {}


def test_the_first_reading_begins_a_little_before_its_own_time(
    till: Till, gateway: RingingGateway, place: Place
) -> None:
    hear(till)
    [(since, after)] = gateway.listed
    assert after is None
    assert timedelta(minutes=5) <= datetime.now(UTC) - since < timedelta(minutes=6)


def test_over_all_sweeps_a_list_is_read_once_a_minute(till: Till, gateway: RingingGateway, place: Place) -> None:
    for _ in range(3):
        hear(till)
    assert len(gateway.listed) == 1
    assert timedelta(seconds=40) < cursor(place)["due"] <= timedelta(seconds=missed.PAUSE)


def test_the_next_reading_begins_a_little_before_the_last(till: Till, gateway: RingingGateway, place: Place) -> None:
    hear(till)
    read_until = cursor(place)["read_until"]
    a_minute_later(place)
    hear(till)
    assert gateway.listed[1] == (read_until - timedelta(minutes=5), None)
    assert cursor(place)["read_until"] > read_until


def test_a_gateway_that_does_not_ring_has_no_list(till: Till, gateway: RingingGateway, place: Place) -> None:
    gateway.abilities = gateway.abilities._replace(webhooks=False)
    assert hear(till) == Done(0)
    assert gateway.listed == []
    assert place.sql.value("SELECT count(*) FROM gateway_cursors") == 0


@pytest.fixture
def long_list(gateway: RingingGateway, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Seven events, of which a page has two and one reading reads two pages; their ids, oldest first."""
    monkeypatch.setattr(missed, "MOST_PAGES", 2)
    gateway.page = 2
    return [gateway.rings_with(f"evt_{number}").event_id for number in range(7)]


def test_a_long_list_is_read_over_several_sweeps_and_over_only_at_its_end(
    till: Till, gateway: RingingGateway, place: Place, long_list: list[str]
) -> None:
    assert hear(till) == Done(4, more=True)
    begun = cursor(place)["read_until"]
    assert sorted(kept(place)) == long_list[3:]
    a_minute_later(place)
    gateway.rings_with("evt_new")
    assert hear(till) == Done(3)
    assert sorted(kept(place)) == long_list
    assert cursor(place)["place"] is None
    assert begun <= cursor(place)["read_until"] < cursor(place)["now"] - timedelta(0), "as of when the reading began"
    a_minute_later(place)
    assert hear(till) == Done(1, more=True)
    assert "evt_new" in kept(place)


DEATHS: dict[str, Callable[[Till, RingingGateway], None]] = {
    "after the lease": lambda till, gateway: setattr(till.database, "dies_after", "lease_cursor"),
    "at the gateway": lambda till, gateway: gateway.listing.append(Died()),
    "before an event is kept": lambda till, gateway: setattr(till.database, "dies_before", "keep_said"),
    "after an event is kept": lambda till, gateway: setattr(till.database, "dies_after", "keep_said"),
    "before the place is noted": lambda till, gateway: setattr(till.database, "dies_before", "move_cursor"),
    "after the place is noted": lambda till, gateway: setattr(till.database, "dies_after", "move_cursor"),
}


@pytest.mark.parametrize("sweeps_before", [0, 1])
@pytest.mark.parametrize("death", DEATHS)
def test_whoever_dies_while_a_list_is_read_loses_no_event(
    till: Till, gateway: RingingGateway, place: Place, long_list: list[str], death: str, sweeps_before: int
) -> None:
    for _ in range(sweeps_before):
        hear(till)
        a_minute_later(place)
    DEATHS[death](till, gateway)
    with pytest.raises(Died):
        hear(till)
    till.database.dies_before = till.database.dies_after = ""
    assert len(gateway.listed) <= 3
    for _ in range(3):
        a_minute_later(place)
        hear(till)
    assert sorted(kept(place)) == long_list
    assert set(rung(place).values()) == {1}


@pytest.mark.parametrize("at_place", [False, True])
def test_a_list_that_cannot_be_read_is_read_from_the_same_place_the_next_time(
    till: Till, gateway: RingingGateway, place: Place, long_list: list[str], at_place: bool
) -> None:
    if at_place:
        hear(till)
        a_minute_later(place)
    before = cursor(place) if at_place else None
    gateway.listing.append(Unknown("no answer", answered=False))
    assert hear(till) == Done(0, more=True)
    if before:
        assert (cursor(place)["place"], cursor(place)["read_until"]) == (before["place"], before["read_until"])
    for _ in range(2):
        a_minute_later(place)
        hear(till)
    assert sorted(kept(place)) == long_list


def test_where_the_place_is_gone_the_list_is_read_anew(
    till: Till, gateway: RingingGateway, place: Place, long_list: list[str]
) -> None:
    hear(till)
    before = cursor(place)["read_until"]
    a_minute_later(place)
    gateway.listing.append(Unknown("no such event", search_cursor=""))
    hear(till)
    assert (cursor(place)["place"], cursor(place)["read_until"]) == (None, before)
    for _ in range(2):
        a_minute_later(place)
        hear(till)
    assert sorted(kept(place)) == long_list


def test_one_who_is_late_notes_nothing_over_another(
    till: Till, gateway: RingingGateway, place: Place, long_list: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen over its lease, it wakes up after another sweep has read everything."""
    read = gateway.list_events
    others: list[Row] = []

    def slowly(*asked: Any) -> EventPage | Unknown:
        page = read(*asked)
        if not others:
            others.append({})
            for _ in range(2):
                place.sql.run("UPDATE gateway_cursors SET read_after = now()")
                hear(till)
            others[0] = cursor(place)
        return page

    monkeypatch.setattr(gateway, "list_events", slowly)
    hear(till)
    assert sorted(kept(place)) == long_list
    assert {name: cursor(place)[name] for name in ("place", "read_until", "read_after")} == {
        name: others[0][name] for name in ("place", "read_until", "read_after")
    }


def test_a_clock_that_was_put_back_neither_stops_the_reading_nor_skips_anything(
    till: Till, gateway: RingingGateway, place: Place
) -> None:
    hear(till)
    place.sql.run("UPDATE gateway_cursors SET read_after = now() + interval '2 h', read_until = now() + interval '2 h'")
    hear(till)
    assert datetime.now(UTC) - gateway.listed[1][0] >= timedelta(minutes=5)
    assert cursor(place)["read_until"] <= cursor(place)["now"]


def test_what_the_list_does_not_reach_back_to_is_said_in_the_log(
    till: Till, gateway: RingingGateway, place: Place, logged: list[logging.LogRecord]
) -> None:
    hear(till)
    place.sql.run("UPDATE gateway_cursors SET read_after = now(), read_until = now() - interval '31 days'")
    hear(till)
    assert timedelta(days=29) < datetime.now(UTC) - gateway.listed[1][0] < timedelta(days=30, minutes=1)
    assert [line.message for line in logged] == ["a gateway's list of events does not reach back far enough"]


class OneBad(WatchedDatabase):
    """One event that cannot be kept."""

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        if name == "keep_said" and parameters["event_id"] == "evt_2":
            raise ValueError("a bug")
        return run()


def test_an_event_that_cannot_be_kept_rings_all_the_same(
    till: Till, gateway: RingingGateway, place: Place, logged: list[logging.LogRecord]
) -> None:
    till.database = OneBad(place.settings())
    for number in range(4):
        gateway.rings_with(f"evt_{number}")
    assert hear(till) == Done(4)
    assert kept(place) == ["evt_0", "evt_1", "evt_3"]
    assert set(rung(place)) == {"pi_0", "pi_1", "pi_2", "pi_3"}
    assert [line.message for line in logged] == ["an event in the gateway's list was not kept"]
