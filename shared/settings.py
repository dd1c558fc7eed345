"""The settings of a function, read once from the environment."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from shared.money import expresses, smallest_unit

T = TypeVar("T")

# How long the front door waits for a function, seconds (its routes.yaml): a payment that is claimed is to be answered by then.
FRONT_DOOR = 35.0
# After so many seconds a client that was asked for patience repeats its request, unless it asked too often: then after the
# window of RATE_LIMIT. Its key must still be known then, also where it comes late by as much again.
RETRY_AFTER = 2
WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
# What makes the rest of the service wait for a worker that died, or for nothing, seconds.
LONGEST_LOCK = 3600.0
LONGEST_SWEEP_AGE = 3600.0
LONGEST_LIFETIME = 3600.0
# Seconds for which Stripe may still carry out a request that we have given up. A charge counts as absent only a lease's time
# after the last that may have been asked for.
STRIPE_MAY_TAKE = 30
# What an event says of itself; an id that is overwritten would make receivers drop all events but the first.
EVENTS_OWN = frozenset(
    {
        "correlationid",
        "data",
        "datacontenttype",
        "dataschema",
        "id",
        "source",
        "specversion",
        "subject",
        "time",
        "traceparent",
        "type",
    }
)
# Fares of currencies with large numbers are rounded to thousands; more would leave nothing of them.
COARSEST_ROUNDING = 100_000


class SettingError(ValueError):
    """A setting is missing or wrong; the message names it and never shows a secret."""


def _text(value: str) -> str:
    return value


def _host(value: str) -> str:
    return value or "localhost"


def _port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
        raise ValueError("a port number, 1 to 65535")
    return int(value)


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) == 0:
        raise ValueError("a whole number above 0")
    return int(value)


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value) or float(value) == 0:
        raise ValueError("a number of seconds above 0")
    return float(value)


def _up_to(longest: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        if _seconds(value) > longest:
            raise ValueError(f"at most {longest:g} seconds")
        return float(value)

    return read


def _lease(value: str) -> float:
    """0 where it is empty: what a lease covers decides."""
    return _up_to(LONGEST_LOCK)(value) if value else 0.0


def _money(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,6})?", value):
        raise ValueError("a decimal number of at least 0, such as 5.0")
    return number


def _rounding(value: str) -> Decimal:
    """0 where it is empty: the currency decides."""
    if value and not (re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) and 0 < Decimal(value) <= COARSEST_ROUNDING):
        raise ValueError(
            f"a decimal number above 0 and at most {COARSEST_ROUNDING}, or empty for the smallest unit of CURRENCY"
        )
    return Decimal(value or 0)


def _share(value: str) -> float:
    if not re.fullmatch(r"0|1|0?\.[0-9]+|1\.0+|0\.[0-9]+", value):
        raise ValueError("a share from 0 to 1")
    return float(value)


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("a three-letter ISO 4217 code in capitals, such as INR")
    return value


def _url(value: str) -> str:
    wrong = ValueError("a URL such as http://trip-service:8081/api/v1")
    try:
        parts = urlsplit(value)
        names_a_server = bool(parts.hostname) and parts.port != 0  # the port is read, and checked, only here
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not names_a_server or parts.query or parts.fragment:
        raise wrong
    return value.rstrip("/")


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _optional_url(value: str) -> str:
    return _url(value) if value else ""


def _level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
    return value.upper()


def _gateway(value: str) -> str:
    if value not in ("simulated", "stripe"):
        raise ValueError("simulated or stripe")
    return value


def _stripe_key(value: str) -> str:
    if value and not re.fullmatch(r"(sk|rk)_(live|test)_[!-~]+", value):
        raise ValueError(
            "a secret or restricted key of Stripe's: sk_live_, sk_test_, rk_live_ or rk_test_, and the rest of it"
        )
    return value


def _stripe_account(value: str) -> str:
    if value and not re.fullmatch(r"acct_[A-Za-z0-9]{1,100}", value):
        raise ValueError("the id of the account that STRIPE_API_KEY is of, acct_..., or empty")
    return value


def _rate(value: str) -> str:
    if value and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", value):
        raise ValueError("a rate such as 1000/second, or empty for none")
    return value


def _overrides(value: str) -> dict[str, str]:
    """Knative's K_CE_OVERRIDES: {"extensions": {"name": "value"}}."""
    wrong = ValueError('JSON such as {"extensions": {"name": "value"}}')
    if not value:
        return {}
    try:
        extensions = json.loads(value).get("extensions") or {}
    except (ValueError, AttributeError):
        raise wrong from None
    if not isinstance(extensions, dict) or not all(
        re.fullmatch(r"[a-z0-9]{1,20}", name) and isinstance(text, str) for name, text in extensions.items()
    ):
        raise wrong
    if ours := sorted(EVENTS_OWN & extensions.keys()):
        raise ValueError(f"extensions other than the events' own attributes ({', '.join(ours)})")
    return extensions


def _setting(default: str, read: Callable[[str], T]) -> T:
    """A field whose environment variable is its name in capitals."""
    wrapped: Any = field(default=None, metadata={"default": default, "read": read})
    return wrapped  # type: ignore[no-any-return]


@dataclass(frozen=True, repr=False)
class Settings:
    """Every setting of the service. Times are seconds, money is in `currency`."""

    db_host: str = _setting("localhost", _host)
    db_port: int = _setting("5432", _port)
    db_name: str = _setting("payments", _text)
    db_user: str = _setting("payments", _text)
    db_pass: str = _setting("", _text)
    db_pool_size: int = _setting("5", _count)
    db_connect_timeout: float = _setting("2", _seconds)
    db_statement_timeout: float = _setting("5", _seconds)
    db_max_lifetime: float = _setting("300", _up_to(LONGEST_LIFETIME))
    trip_service_url: str = _setting("http://localhost:8081", _url)
    trip_service_timeout: float = _setting("5", _seconds)
    notification_service_url: str = _setting("http://localhost:8083", _url)
    notification_service_timeout: float = _setting("5", _seconds)
    base_fare: Decimal = _setting("5.0", _money)
    rate_per_km: Decimal = _setting("2.5", _money)
    currency: str = _setting("INR", _currency)
    fare_rounding: Decimal = _setting("", _rounding)
    idempotency_key_ttl: float = _setting("86400", _seconds)
    idempotency_lock_timeout: float = _setting("", _lease)
    gateway: str = _setting("simulated", _gateway)
    gateway_timeout: float = _setting("10", _seconds)
    gateway_success_rate: float = _setting("1", _share)
    gateway_key_retention: float = _setting("82800", _seconds)
    stripe_api_key: str = _setting("", _stripe_key)
    stripe_account: str = _setting("", _stripe_account)
    stripe_api_base: str = _setting("https://api.stripe.com", _url)
    rate_limit: str = _setting("1000/second", _rate)
    log_level: str = _setting("INFO", _level)
    k_sink: str = _setting("", _optional_url)
    k_ce_overrides: dict[str, str] = _setting("", _overrides)
    event_retention: float = _setting("2592000", _seconds)
    event_queue_size: int = _setting("1000", _count)
    event_sweep_age: float = _setting("3", _up_to(LONGEST_SWEEP_AGE))

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads every setting, or raises SettingError for the first that is wrong."""
        values = {}
        for setting in fields(cls):
            name = setting.name.upper()
            text = environment.get(name, setting.metadata["default"])
            try:
                values[setting.name] = setting.metadata["read"](text)
            except ValueError as wrong:
                raise SettingError(f"{name} must be {wrong}") from None
        values["fare_rounding"] = values["fare_rounding"] or smallest_unit(values["currency"])
        settings = cls(**values)
        if not settings.idempotency_lock_timeout:
            settings = replace(settings, idempotency_lock_timeout=settings._shortest_lease())
        settings._refuse_what_breaks_a_promise()
        return settings

    def _shortest_lease(self) -> float:
        """A client waits for as long as this where its worker was killed, so it is no longer than what a lease covers: asking
        the gateway, reading what became of it, storing the outcome."""
        covered = (
            self.gateway_timeout + max(self.gateway_timeout, self.trip_service_timeout) + self.db_statement_timeout
        )
        return max(covered, STRIPE_MAY_TAKE) if self._may_ask_stripe() else covered

    def _may_ask_stripe(self) -> bool:
        """Stripe itself, and not something on this machine that behaves like it."""
        return bool(self.stripe_api_key) and not _is_here(self.stripe_api_base)

    def _refuse_what_breaks_a_promise(self) -> None:
        """Raises SettingError for settings that are well by themselves, and together break what the service promises."""
        neighbours = self.trip_service_timeout + self.gateway_timeout
        if self.idempotency_lock_timeout <= neighbours:
            raise SettingError("IDEMPOTENCY_LOCK_TIMEOUT must exceed TRIP_SERVICE_TIMEOUT and GATEWAY_TIMEOUT together")
        if neighbours + self.db_connect_timeout + self.db_statement_timeout >= FRONT_DOOR:
            raise SettingError(
                "TRIP_SERVICE_TIMEOUT, GATEWAY_TIMEOUT, DB_CONNECT_TIMEOUT and DB_STATEMENT_TIMEOUT together must be less"
                f" than the {FRONT_DOOR:g} s that the front door waits"
            )
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
        if base.scheme == "http" and not _is_here(self.stripe_api_base):
            raise SettingError("STRIPE_API_BASE must begin https:// unless it is on this machine")
        if base.path.endswith("/v1"):
            raise SettingError("STRIPE_API_BASE must not end in /v1, which each request has already")
        if self._may_ask_stripe() and self.idempotency_lock_timeout < STRIPE_MAY_TAKE:
            raise SettingError(f"IDEMPOTENCY_LOCK_TIMEOUT must be at least {STRIPE_MAY_TAKE} s with Stripe")


def stop(message: str) -> NoReturn:
    """Ends the start of this process with one clear line."""
    sys.exit(f"payment-service cannot start: {message}")


def _read_or_stop() -> Settings:
    try:
        return Settings.read(os.environ)
    except SettingError as wrong:
        stop(str(wrong))


SETTINGS = _read_or_stop()
