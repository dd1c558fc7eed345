"""The settings of a function, read once, at its door, and handed down from there."""

import os
import sys
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from shared.platform import access_values as access
from shared.platform import money_values as money
from shared.platform import page_values as pages
from shared.platform import setting_values as values
from shared.platform.access_values import EventSenders, Issuer
from shared.platform.page_values import USUAL_LOCALE, USUAL_TIME_ZONE, TaxLine
from shared.platform.setting_values import LONGEST_LIFETIME, LONGEST_SWEEP_AGE, is_here
from shared.rules.cells import Cell, read_cells, read_number
from shared.rules.money import expresses, smallest_unit

T = TypeVar("T")

# How long the front door waits for a function, seconds (its routes.yaml): a payment that is claimed is to be answered by then.
FRONT_DOOR = 35.0
# After so many seconds a client that was asked for patience repeats its request, unless it asked too often: then after the
# window of RATE_LIMIT. Its key must still be known then, also where it comes late by as much again.
RETRY_AFTER = 2
WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
# Seconds for which a request waits for the keys of an issuer, at most.
KEYS_TIMEOUT = 2.0
# Seconds for which Stripe may still carry out a request that we have given up. A charge counts as absent only a lease's time
# after the last that may have been asked for.
STRIPE_MAY_TAKE = 30


class SettingError(ValueError):
    """A setting is missing or wrong; the message names it and never shows a secret."""


def _setting(default: str, read: Callable[[str], T], *, secret: bool = False) -> T:
    """A field whose environment variable is its name in capitals. What is secret is shown nowhere."""
    wrapped: Any = field(default=None, metadata={"default": default, "read": read, "secret": secret})
    return wrapped  # type: ignore[no-any-return]


@dataclass(frozen=True, repr=False)
class Settings:
    """Every setting of the service. Times are seconds, money is in `currency`."""

    cell: int = _setting("0", read_number)
    cell_name: str = _setting("", values.cell_name)
    cells: tuple[Cell, ...] = _setting("", read_cells)
    db_host: str = _setting("localhost", values.host)
    db_port: int = _setting("5432", values.port)
    db_name: str = _setting("payments", values.text)
    db_user: str = _setting("payments", values.text)
    db_pass: str = _setting("", values.text, secret=True)
    db_pool_size: int = _setting("10", values.count)
    db_connect_timeout: float = _setting("2", values.seconds)
    db_statement_timeout: float = _setting("5", values.seconds)
    db_max_lifetime: float = _setting("300", values.up_to(LONGEST_LIFETIME))
    trip_service_url: str = _setting("http://localhost:8081", values.url)
    trip_service_timeout: float = _setting("5", values.seconds)
    notification_service_url: str = _setting("http://localhost:8083", values.url)
    notification_service_timeout: float = _setting("5", values.seconds)
    base_fare: Decimal = _setting("5.0", money.price)
    rate_per_km: Decimal = _setting("2.5", money.price)
    currency: str = _setting("INR", money.currency)
    fare_rounding: Decimal = _setting("", money.rounding)
    commission_rate: Decimal | None = _setting("", money.commission_rate)
    locale: str = _setting(USUAL_LOCALE, pages.locale)
    time_zone: str = _setting(USUAL_TIME_ZONE, pages.time_zone)
    rider_service_url: str = _setting("", values.url_or_none)
    driver_service_url: str = _setting("", values.url_or_none)
    receipt_seller: tuple[str, ...] = _setting("", pages.seller)
    receipt_tax_lines: tuple[TaxLine, ...] = _setting("", pages.tax_lines)
    idempotency_key_ttl: float = _setting("86400", values.seconds)
    idempotency_lock_timeout: float = _setting("", values.lease)
    gateway: str = _setting("simulated", values.gateway)
    gateway_timeout: float = _setting("10", values.seconds)
    gateway_success_rate: float = _setting("1", values.share)
    gateway_key_retention: float = _setting("82800", values.seconds)
    next_action_timeout: float = _setting("600", values.seconds)
    stripe_api_key: str = _setting("", values.stripe_key, secret=True)
    stripe_account: str = _setting("", values.stripe_account)
    stripe_methods: frozenset[str] = _setting("CARD,WALLET", values.stripe_methods)
    stripe_api_base: str = _setting("https://api.stripe.com", values.url)
    stripe_webhook_secret: tuple[str, ...] = _setting("", values.webhook_secrets, secret=True)
    late_payment: str = _setting("refund", values.late_payment)
    auth_issuers: tuple[Issuer, ...] = _setting("", access.issuers)
    auth_audience: str = _setting("payment-service", access.audience)
    auth_subjects: Mapping[str, Set[str]] = _setting("", access.subjects)
    auth_open_keys: str = _setting("", values.text)
    auth_events: EventSenders | None = _setting("", access.event_senders)
    console_client_id: str = _setting("", access.client)
    console_client_secret: str = _setting("", values.text, secret=True)
    console_session_key: tuple[str, ...] = _setting("", access.session_keys, secret=True)
    console_issuer: str = _setting("", values.text)
    console_url: str = _setting("", access.origin)
    console_scope: str = _setting("openid", access.scope)
    rate_limit: str = _setting("1000/second", values.rate)
    rate_limit_storage: str = _setting("", values.rate_storage, secret=True)
    webhook_rate_limit: str = _setting("1000/second", values.rate)
    log_level: str = _setting("INFO", values.level)
    otel_exporter_otlp_endpoint: str = _setting("", values.url_or_none)
    metrics_port: tuple[str, int] | None = _setting("", values.address)
    k_sink: str = _setting("", values.sink)
    k_ce_overrides: dict[str, str] = _setting("", values.overrides)
    event_token_file: str = _setting("", access.path)
    event_retention: float = _setting("2592000", values.seconds)
    event_queue_size: int = _setting("1000", values.count)
    event_sweep_age: float = _setting("3", values.up_to(LONGEST_SWEEP_AGE))

    def __repr__(self) -> str:
        shown = (
            f"{setting.name}={'***' if setting.metadata['secret'] and value else repr(value)}"
            for setting in fields(self)
            for value in [getattr(self, setting.name)]
        )
        return f"Settings({', '.join(shown)})"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads every setting, or raises SettingError for the first that is wrong."""
        read = {}
        for setting in fields(cls):
            name = setting.name.upper()
            text = environment.get(name, setting.metadata["default"])
            try:
                read[setting.name] = setting.metadata["read"](text)
            except ValueError as wrong:
                raise SettingError(f"{name} must be {wrong}") from None
        read["fare_rounding"] = read["fare_rounding"] or smallest_unit(read["currency"])
        read["cell_name"] = read["cell_name"] or _name_among(read["cells"], read["cell"])
        settings = cls(**read)
        if not settings.idempotency_lock_timeout:
            settings = replace(settings, idempotency_lock_timeout=settings._shortest_lease())
        settings._refuse_what_breaks_a_promise()
        return settings

    @property
    def cell_label(self) -> str:
        """What this cell is called beside others; empty where it is the only one."""
        return self.cell_name or (str(self.cell) if self.cell else "")

    @property
    def cell_names(self) -> tuple[str, ...]:
        """What a caller may call this cell: its number, and its name where it has one."""
        return (str(self.cell), self.cell_name) if self.cell_name else (str(self.cell),)

    def _shortest_lease(self) -> float:
        """A client waits for as long as this where its worker was killed, so it is no longer than what a lease covers: asking
        the gateway, reading what became of it, storing the outcome; and longer than trip and gateway together may take."""
        covered = (
            self.gateway_timeout + max(self.gateway_timeout, self.trip_service_timeout) + self.db_statement_timeout
        )
        return max(covered, STRIPE_MAY_TAKE) if self._may_ask_stripe() else covered

    def _may_ask_stripe(self) -> bool:
        """Stripe itself, and not something on this machine that behaves like it."""
        return bool(self.stripe_api_key) and not is_here(self.stripe_api_base)

    def _refuse_what_breaks_a_promise(self) -> None:
        """Raises SettingError for settings that are well by themselves, and together break what the service promises."""
        self._refuse_two_cells_in_one()
        neighbours = self.trip_service_timeout + self.gateway_timeout
        if self.idempotency_lock_timeout <= neighbours:
            raise SettingError("IDEMPOTENCY_LOCK_TIMEOUT must exceed TRIP_SERVICE_TIMEOUT and GATEWAY_TIMEOUT together")
        keys = KEYS_TIMEOUT if self.auth_issuers else 0
        if neighbours + keys + self.db_connect_timeout + self.db_statement_timeout >= FRONT_DOOR:
            raise SettingError(
                "TRIP_SERVICE_TIMEOUT, GATEWAY_TIMEOUT, DB_CONNECT_TIMEOUT and DB_STATEMENT_TIMEOUT together must be less"
                f" than the {FRONT_DOOR:g} s that the front door waits"
            )
        if self.next_action_timeout >= self.gateway_key_retention:
            raise SettingError("NEXT_ACTION_TIMEOUT must be less than GATEWAY_KEY_RETENTION")
        self._refuse_what_opens_a_door()
        patience = max(RETRY_AFTER, WINDOWS[self.rate_limit.partition("/")[2]] if self.rate_limit else 0)
        if self.idempotency_key_ttl <= 2 * patience:
            raise SettingError(
                f"IDEMPOTENCY_KEY_TTL must exceed twice the {patience} s after which a client may be asked to repeat its"
                " request (RATE_LIMIT)"
            )
        if not expresses(self.currency, self.fare_rounding):
            unit = smallest_unit(self.currency)
            raise SettingError(
                f"FARE_ROUNDING must be a multiple of {unit}, the smallest unit of CURRENCY ({self.currency})"
            )
        base = urlsplit(self.stripe_api_base)
        if base.scheme == "http" and not is_here(self.stripe_api_base):
            raise SettingError("STRIPE_API_BASE must begin https:// unless it is on this machine")
        if base.path.endswith("/v1"):
            raise SettingError("STRIPE_API_BASE must not end in /v1, which each request has already")
        if self.stripe_webhook_secret and not self.stripe_api_key:
            raise SettingError("STRIPE_WEBHOOK_SECRET needs STRIPE_API_KEY: what a webhook names is read with it")
        if self._may_ask_stripe() and self.idempotency_lock_timeout < STRIPE_MAY_TAKE:
            raise SettingError(f"IDEMPOTENCY_LOCK_TIMEOUT must be at least {STRIPE_MAY_TAKE} s with Stripe")

    def _refuse_two_cells_in_one(self) -> None:
        """Raises SettingError where the list of all cells says something else of this one than its own settings."""
        for cell in self.cells:
            if (cell.number == self.cell) != (cell.name == self.cell_name):
                raise SettingError(
                    f"CELLS must have this cell as CELL and CELL_NAME have it: {self.cell_name or 'unnamed'}={self.cell},"
                    f" and not {cell.name}={cell.number}"
                )

    def _refuse_what_opens_a_door(self) -> None:
        """Raises SettingError for settings of access that do not say what somebody who sets them takes them to say."""
        issuers = {issuer.name for issuer in self.auth_issuers}
        named = {
            "AUTH_SUBJECTS": list(self.auth_subjects),
            "AUTH_OPEN_KEYS": [self.auth_open_keys] * bool(self.auth_open_keys),
        }
        for setting, subjects in named.items():
            if subjects and not issuers:
                raise SettingError(f"{setting} needs AUTH_ISSUERS: without it the service is open to everybody")
            for subject in subjects:
                issuer, _, rest = subject.partition(" ")
                if (len(issuers) > 1 or " " in subject) and not (issuer in issuers and rest):
                    raise SettingError(
                        f"{setting} must name the issuer before each subject, with a blank in between, where AUTH_ISSUERS"
                        f" has several, and before one that has a blank itself; it has {subject!r}"
                    )


def _name_among(cells: tuple[Cell, ...], number: int) -> str:
    return next((cell.name for cell in cells if cell.number == number), "")


def stop(message: str) -> NoReturn:
    """Ends the start of this process with one clear line."""
    sys.exit(cannot_start(message))


def cannot_start(why: str) -> str:
    """The line."""
    return f"payment-service cannot start: {why}"


def read_settings() -> Settings:
    """The settings in this process's environment; ends its start with one clear line where one is wrong."""
    try:
        return Settings.read(os.environ)
    except SettingError as wrong:
        stop(str(wrong))
