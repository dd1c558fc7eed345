"""Reconciliation from its beginning to its end: the gateway's books beside ours, then ours beside the gateway's."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from shared.charging.dependencies import Dependencies
from shared.gateways.protocol import Gateway, account_name
from shared.platform.log import log
from shared.reconciling.gateway_books import read_gateway_books
from shared.reconciling.our_books import read_our_books
from shared.reconciling.run import NotDone, Run, take
from shared.reconciling.window import Window, day, yesterday

# Days that are caught up with where nobody reconciled for a while. A gateway that never was begins with yesterday.
MOST_DAYS = 7

# Is told how far it came: the phase, and which share of the time of it.
Shown = Callable[[str, float], None]


def reconcile(run: Run, until: float, shown: Shown = lambda _phase, _share: None) -> None:
    """Carries a reconciliation to its end, page by page: what is kept is passed, and what is not is done again by whoever goes
    on. It reports, and heals nothing; but it enters what the gateway took as fees and paid out. Begins no page after `until`
    (monotonic clock).

    Raises NotDone and DatabaseUnavailable; it is given back then, for the next to go on.
    """
    try:
        if run.phase == "gateway":
            read_gateway_books(run, until, partial(shown, "gateway"))
        if run.phase == "books":
            read_our_books(run, until, partial(shown, "books"))
            run.finish()
    finally:
        run.give_back()


def reconcile_due(deps: Dependencies, until: float) -> bool:
    """Reconciles with each gateway that keeps books what is due, as `days_due` says; begins no page after `until` (monotonic
    clock). Says whether all of it is done: where not, the next call goes on. Any number may run at once. Raises
    DatabaseUnavailable."""
    done = [_reconcile_days(deps, gateway, until) for gateway in deps.gateways.that_keep_books()]
    return all(done)


def _reconcile_days(deps: Dependencies, gateway: Gateway, until: float) -> bool:
    for window in days_due(deps, gateway):
        about = {"gateway": gateway.name, "day": window.name}
        run = take(deps, gateway, window, done_since=_last_midnight(deps)) if time.monotonic() < until else None
        if run is None:
            return False
        try:
            reconcile(run, until)
        except NotDone as reason:
            log.info("a reconciliation is to go on", extra=about | {"why": str(reason)})
            return False
        if run.differences:
            log.error("the gateway's books and ours differ", extra=about | {"differences": run.differences})
        log.info("reconciled", extra=about | {"movements": run.movements, "differences": run.differences})
    return True


def days_due(deps: Dependencies, gateway: Gateway) -> list[Window]:
    """The days up to yesterday, by TIME_ZONE, that are to be reconciled with a gateway: those that were not, oldest first; then
    once a day, for as long as it is looked back, those that had what was not yet due, which may differ by now. Raises
    DatabaseUnavailable."""
    zone, today = ZoneInfo(deps.settings.time_zone), _last_midnight(deps)
    last = yesterday(today, zone)
    days = [day(last - timedelta(days=before), zone) for before in reversed(range(MOST_DAYS))]
    of_this = {"gateway": gateway.name, "account": account_name(gateway.account), "today": today}
    rows = deps.database.run_again("reconciled_times", **of_this, since=days[0].begins)
    first = min((row["to_at"] for row in rows), default=today)
    done = {
        window: [row["is_over"] for row in rows if row["from_at"] <= window.begins and window.ends <= row["to_at"]]
        for window in days
        if window.ends >= first
    }
    return [window for window in done if not done[window]] + [
        window for window in done if done[window] and not any(done[window])
    ]


def _last_midnight(deps: Dependencies) -> datetime:
    """When today began."""
    zone = ZoneInfo(deps.settings.time_zone)
    return day(yesterday(datetime.now(UTC), zone), zone).ends
