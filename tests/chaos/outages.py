"""Blows at the database, at its name, and at the network in between: one at a time."""

import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import psycopg2

from sql.owner import DatabaseUnavailableError
from tests.chaos.recovery import Recovery
from tests.chaos.world import World
from tests.support.sql import Sql

# A firewall forgets after minutes; the functions trust a connection that was idle for no longer than about this, in seconds.
TRUSTED_FOR = 1.2
# Seconds for which a connection that nobody uses is waited for.
PATIENCE = 10.0


class Outages:
    """Each lasts longer the more `lasts` is, from 0 to 1, and ends with everything whole again. No function may need a restart
    after those with a witness: each that was not struck itself has to take a payment soon."""

    def __init__(self, world: World, recovery: Recovery) -> None:
        self._world = world
        self._times = world.plan.times
        self._recovery = recovery
        self.blows: dict[str, Callable[[float], None]] = {
            "database killed": self.kill,
            "database frozen": self.freeze,
            "connections terminated": self.terminate,
            "fail-over": self._witnessed(self.fail_over),
            "name leads to the standby": self._witnessed(self.mislead),
            "no standby": self._witnessed(self.lose_standby),
            "name server silent": self._witnessed(self.silence_names),
            "network forgets": self._witnessed(self.forget),
        }

    def _witnessed(self, outage: Callable[[float], None]) -> Callable[[float], None]:
        def blow(lasts: float) -> None:
            with self._recovery.witness():
                outage(lasts)

        return blow

    def kill(self, lasts: float) -> None:
        self._world.pair.primary.kill()
        time.sleep(lasts)
        self._world.pair.primary.start()

    def freeze(self, lasts: float) -> None:
        """Nothing answers and nothing is refused, as when a network is cut."""
        frozen = self._world.pair.primary.processes()
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(self._times.statement_timeout * (0.5 + lasts * 1.5))
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def terminate(self, lasts: float = 0) -> None:
        with (
            suppress(psycopg2.Error, DatabaseUnavailableError),
            Sql(self._world.pair.primary.environment()) as administrator,
        ):
            administrator.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def fail_over(self, lasts: float) -> None:
        """The primary is lost; its name leads to the standby before that one takes writes. The lost one comes back as the
        standby, so the next fail-over leads back."""
        pair = self._world.pair
        pair.catch_up()
        pair.primary.kill()
        time.sleep(lasts * self._times.read_only / 2)
        self._world.lead_to(pair.standby)
        time.sleep(self._times.read_only)
        pair.fail_over()
        self._recovery.expect_payments("fail-over")
        pair.rejoin()

    def mislead(self, lasts: float) -> None:
        """The name leads to the standby, alone or before the primary, while everybody needs a new connection."""
        pair = self._world.pair
        alone = lasts < 0.5
        self._world.lead_to(*([pair.standby] if alone else [pair.standby, pair.primary]))
        self.terminate()
        time.sleep(self._times.read_only)
        if not alone:
            self._recovery.expect_payments("name leads to both")
        self._world.lead_to(pair.primary)
        self._recovery.expect_payments("name leads to the standby")

    def lose_standby(self, lasts: float) -> None:
        """Commits wait for it, each in a server process, also when nobody waits for them any more; and a crowd keeps asking."""
        pair = self._world.pair
        whole = self._recovery.whole()
        pair.standby.kill()
        with self._recovery.crowd():
            # By then every function has seen that commits do not return.
            time.sleep(2 * (self._times.statement_timeout + 1))
            self._recovery.expect_refusals(whole, self._times.no_standby * (1 + lasts))
        pair.standby.start()
        pair.catch_up()
        self._recovery.expect_payments("no standby")

    def silence_names(self, lasts: float) -> None:
        """While everybody needs a new connection."""
        with self._world.names.silent():
            self.terminate()
            self._recovery.expect_life(self._times.names_silent * (1 + lasts / 2))
        self._recovery.expect_payments("name server silent")

    def forget(self, lasts: float) -> None:
        """For as long as that, and until there was a connection that nobody used meanwhile; there may be none right after what
        ended many."""
        network = self._world.network
        before, patience = network.forgotten(), time.monotonic() + PATIENCE
        with network.forgetting(self._times.idle_until_forgotten * (0.5 + lasts)):
            time.sleep(self._times.network_forgets)
            while network.forgotten() == before and time.monotonic() < patience:
                time.sleep(0.05)
        whole = self._recovery.whole()
        time.sleep(TRUSTED_FOR)
        self._recovery.expect_one_to_pay(whole)
        self._recovery.expect_payments("network forgets")
