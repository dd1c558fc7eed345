"""What a chaos run is made of: how long, which seed, and how long everybody waits for everybody."""

from dataclasses import dataclass

# The gateway's failures while the storm lasts: each the share of requests that it happens to. `broken` (a stored 500, nothing
# done) stays unknown until the gateway's memory of keys is over, so it is left out where that takes a day.
FAILURES = {
    "lose": 0.08,
    "drop": 0.03,
    "garbage": 0.02,
    "busy": 0.03,
    "broken": 0.01,
    "broken_after": 0.02,
    "slow": 0.3,
    "processing": 0.04,
    "authenticate": 0.02,
    "unpaid": 0.01,
    "meanwhile": 0.01,
    "pending": 0.04,
    "failed": 0.03,
    "canceled": 0.01,
    # What the gateway says after its first word: a charge it declined or cancelled turns out paid, a refund comes back or fails
    # in the end, somebody uses its dashboard, banks ask and take.
    "late": 0.03,
    "revived": 0.3,
    "pending_failed": 0.02,
    "comes_back": 0.05,
    "dashboard_refund": 0.04,
    "dispute": 0.03,
    "inquiry": 0.03,
    # What a customer does who is waited for; the rest does nothing.
    "customer_soon": 0.45,
    "customer_refuses": 0.25,
    "customer_late": 0.3,
    "customer_races": 0.5,
    "webhook_lost": 0.1,
    "webhook_late": 0.15,
    "webhook_repeated": 0.1,
    "webhook_reordered": 0.2,
    "webhook_forged": 0.1,
}
# The second is known to others, who send what they like.
WEBHOOK_SECRETS = ("whsec_chaos_new", "whsec_chaos_leaked")


@dataclass(frozen=True)
class Times:
    """All in seconds. `patience` is how long a client waits for an answer, `pause` how long at most before it repeats;
    `between_blows` is the mean; `settled_within` bounds what comes after the storm; `gateway_slow` is the longest that the
    gateway takes. So long after the storm, the pauses between askings and deliveries, which have grown to minutes in it, are
    taken as over. `read_only` is how long the database's name leads to a standby, `no_standby`, `names_silent` and
    `network_forgets` about how long those outages last; a connection is forgotten once it was idle for about
    `idle_until_forgotten`; a customer is waited for as long as `customer_waits`. After an outage a function has to take a
    payment within `recovered_within`, longer than the longest pause between its tries (15 s)."""

    gateway_timeout: float
    trip_timeout: float
    lock_timeout: float
    connect_timeout: float
    statement_timeout: float
    key_retention: float
    sweep_age: float
    sweep_every: float
    patience: float
    pause: float
    gateway_slow: float
    gateway_forgets: float
    between_blows: float
    settled_within: float
    pauses_skipped_after: float
    read_only: float
    no_standby: float
    names_silent: float
    network_forgets: float
    idle_until_forgotten: float
    recovered_within: float
    customer_waits: float

    @property
    def frozen(self) -> float:
        """Longer than a lease lasts."""
        return self.lock_timeout * 1.1 + 0.5

    @property
    def waits_out(self) -> float:
        """Of a payment that took longer, a function has waited in vain for the database, and not only for a slow machine."""
        return self.statement_timeout + 0.8


# The gateway forgets keys later than the service counts on, by more than a frozen worker may come late.
SHORT = Times(
    gateway_timeout=1,
    trip_timeout=1,
    lock_timeout=3,
    connect_timeout=1,
    statement_timeout=2,
    key_retention=8,
    sweep_age=1,
    sweep_every=1,
    patience=3,
    pause=0.5,
    gateway_slow=1.5,
    gateway_forgets=24,
    between_blows=0.7,
    settled_within=180,
    pauses_skipped_after=30,
    read_only=1.2,
    no_standby=3,
    names_silent=4,
    network_forgets=3,
    idle_until_forgotten=1,
    recovered_within=20,
    customer_waits=5,
)
# In the test suite: as short as the settings allow.
SUITE = Times(
    gateway_timeout=0.7,
    trip_timeout=0.5,
    lock_timeout=1.5,
    connect_timeout=1,
    statement_timeout=1,
    key_retention=4,
    sweep_age=0.5,
    sweep_every=0.5,
    patience=2,
    pause=0.3,
    gateway_slow=1,
    gateway_forgets=14,
    between_blows=0.6,
    settled_within=60,
    pauses_skipped_after=0,
    read_only=0.6,
    no_standby=1,
    names_silent=2,
    network_forgets=1.2,
    idle_until_forgotten=0.6,
    recovered_within=20,
    customer_waits=2,
)
# The time-outs of production.
REAL = Times(
    gateway_timeout=10,
    trip_timeout=5,
    lock_timeout=25,
    connect_timeout=2,
    statement_timeout=5,
    key_retention=82800,
    sweep_age=3,
    sweep_every=5,
    patience=30,
    pause=2,
    gateway_slow=12,
    gateway_forgets=86400,
    between_blows=1.5,
    settled_within=1500,
    pauses_skipped_after=float("inf"),
    read_only=2,
    no_standby=10,
    names_silent=12,
    network_forgets=10,
    idle_until_forgotten=2,
    recovered_within=30,
    customer_waits=60,
)


@dataclass(frozen=True)
class Plan:
    """`seconds` of storm, up to twice as many until all blows came; every choice that is the harness's own is drawn
    from `seed`. Two cells have half of the `clients` each."""

    seconds: float
    seed: int
    times: Times = SHORT
    clients: int = 16
    keep_logs: str = ""

    def left(self, passed: float, all_came: bool) -> float:
        """How long the storm goes on, in seconds, as far as is known after so many."""
        return self.seconds * (1 if all_came else 2) - passed

    def failures(self) -> dict[str, float]:
        if self.times.key_retention > 3600:
            return {name: share for name, share in FAILURES.items() if name != "broken"}
        return FAILURES

    @property
    def late_payment(self) -> str:
        """What becomes of a charge that was paid late."""
        return "adopt" if self.seed % 2 else "refund"

    def settings(self) -> dict[str, str]:
        """The time-outs, as the functions' environment names them, and what is drawn for the whole run."""
        times = self.times
        named = {
            "GATEWAY_TIMEOUT": times.gateway_timeout,
            "TRIP_SERVICE_TIMEOUT": times.trip_timeout,
            "IDEMPOTENCY_LOCK_TIMEOUT": times.lock_timeout,
            "DB_CONNECT_TIMEOUT": times.connect_timeout,
            "DB_STATEMENT_TIMEOUT": times.statement_timeout,
            "GATEWAY_KEY_RETENTION": times.key_retention,
            "EVENT_SWEEP_AGE": times.sweep_age,
            "NEXT_ACTION_TIMEOUT": times.customer_waits,
        }
        return {name: f"{seconds:g}" for name, seconds in named.items()} | {"LATE_PAYMENT": self.late_payment}
