"""What the text of a setting may be, and what it is then: each reads one, or raises ValueError with what it must be."""

import json
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from shared.rules.cells import NAME

# What makes the rest of the service wait for a worker that died, or for nothing, seconds.
LONGEST_LOCK = 3600.0
LONGEST_SWEEP_AGE = 3600.0
LONGEST_LIFETIME = 3600.0
# What an event says of itself; an id that is overwritten would make receivers drop all events but the first.
EVENTS_OWN = frozenset(
    {
        "caller",
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


def text(value: str) -> str:
    return value


def cell_name(value: str) -> str:
    if value and not NAME.fullmatch(value):
        raise ValueError(
            "at most 32 small letters, digits and -, beginning with a letter, as a label of a host name is"
        )
    return value


def host(value: str) -> str:
    return value or "localhost"


def port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
        raise ValueError("a port number, 1 to 65535")
    return int(value)


_ADDRESS = "a port, or an IPv4 address and a port, such as 9464 or 127.0.0.1:9464"


def address(value: str) -> tuple[str, int] | None:
    """None where it is empty. A port alone is one of every address, as the function's own is."""
    if not value:
        return None
    where, colon, number = value.rpartition(":")
    if colon and not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", where):
        raise ValueError(_ADDRESS)
    try:
        return where or "0.0.0.0", port(number)  # noqa: S104 - who may reach it is said by the network's policies
    except ValueError:
        raise ValueError(_ADDRESS) from None


def count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) == 0:
        raise ValueError("a whole number above 0")
    return int(value)


def seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value) or float(value) == 0:
        raise ValueError("a number of seconds above 0")
    return float(value)


def up_to(longest: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        if seconds(value) > longest:
            raise ValueError(f"at most {longest:g} seconds")
        return float(value)

    return read


def lease(value: str) -> float:
    """0 where it is empty: what a lease covers decides."""
    return up_to(LONGEST_LOCK)(value) if value else 0.0


def share(value: str) -> float:
    if not re.fullmatch(r"0|1|0?\.[0-9]+|1\.0+|0\.[0-9]+", value):
        raise ValueError("a share from 0 to 1")
    return float(value)


def url(value: str) -> str:
    parts = _url(value, "a URL such as http://trip-service:8081/api/v1")
    if parts.query:
        raise ValueError("a URL without a query, such as http://trip-service:8081/api/v1")
    return value.rstrip("/")


def url_or_none(value: str) -> str:
    """Empty: there is no such service."""
    return url(value) if value else ""


def sink(value: str) -> str:
    """As it is given: what another slash or query means is for whoever named it to say. What cannot be sent as it is given
    (RFC 3986, 6.2.2.3) is refused."""
    wanted = "a URL such as http://broker-ingress.knative-eventing/payments/default"
    if value and {".", ".."} & set(_url(value, wanted).path.split("/")):
        raise ValueError(f"{wanted}, without . and .. in its path")
    return value


def _url(value: str, wanted: str) -> SplitResult:
    try:
        parts = urlsplit(value if re.fullmatch(_URL, value) else "")
        names_a_server = bool(parts.hostname) and parts.port != 0  # the port is read, and checked, only here
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in ("http", "https") or not names_a_server or parts.fragment or "@" in parts.netloc:
        raise ValueError(wanted)
    return parts


def is_here(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


# What an address may be made of (RFC 3986, 2): no blank, nothing invisible, nothing that is not ASCII, no lone percent sign.
_URL = r"(?:[!#$&-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{2})+"


def level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("one of DEBUG, INFO, WARNING, ERROR")
    return value.upper()


def gateway(value: str) -> str:
    if value not in ("simulated", "stripe"):
        raise ValueError("simulated or stripe")
    return value


def stripe_key(value: str) -> str:
    if value and not re.fullmatch(r"(sk|rk)_(live|test)_[!-~]+", value):
        raise ValueError(
            "a secret or restricted key of Stripe's: sk_live_, sk_test_, rk_live_ or rk_test_, and the rest of it"
        )
    return value


def stripe_account(value: str) -> str:
    if value and not re.fullmatch(r"acct_[A-Za-z0-9]{1,100}", value):
        raise ValueError("the id of the account that STRIPE_API_KEY is of, acct_..., or empty")
    return value


def webhook_secrets(value: str) -> tuple[str, ...]:
    """None where it is empty. Several while they are rotated: each is as good as the others."""
    secrets = tuple(secret.strip(" ") for secret in value.split(",")) if value else ()
    if not all(re.fullmatch(r"whsec_[!-+\--~]{8,}", secret) for secret in secrets):
        raise ValueError("the signing secret of a webhook endpoint, whsec_..., or several with commas in between")
    return secrets


def late_payment(value: str) -> str:
    if value not in ("refund", "adopt"):
        raise ValueError("refund or adopt")
    return value


def stripe_methods(value: str) -> frozenset[str]:
    methods = frozenset(value.split(","))
    if not methods <= {"CARD", "UPI", "WALLET"}:
        raise ValueError("one or more of CARD, UPI and WALLET with commas in between, such as CARD,WALLET")
    return methods


def rate(value: str) -> str:
    if value and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", value):
        raise ValueError("a rate such as 1000/second, or empty for none")
    return value


def rate_storage(value: str) -> str:
    """Not checked by the library that uses it: that loads for longer than a function starts."""
    if value and not (re.fullmatch(_STORE, value) and _has_a_port_or_none(value)):
        raise ValueError(
            "the URL of a Redis or Valkey, such as redis://redis:6379/0 or rediss://..., or empty for none"
        )
    return value


def _has_a_port_or_none(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


# A name and password that a URL may hold, a name or an address, a port, the number of a database.
_STORE = r"rediss?://([!$&-.0-;=A-Z_a-z~%]*@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?(/[0-9]{0,4})?"


def overrides(value: str) -> dict[str, str]:
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
