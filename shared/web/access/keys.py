"""The keys of one issuer: kept, and asked for anew in time."""

import threading
import time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from shared.platform.log import log
from shared.web.access.key_sources import KeysUnavailable, Source

# What may be signed with a key, by its type and curve (RFC 7518, 3.1; RFC 8037, 3.1): nothing weaker, and nothing that whoever
# can check a signature could also make.
ALGORITHMS = {("RSA", None): ("RS256", "PS256"), ("EC", "P-256"): ("ES256",), ("OKP", "Ed25519"): ("EdDSA",)}
# Bits (RFC 7518, 3.3).
SHORTEST_RSA = 2048
# Seconds. A key that its issuer withdraws is accepted for as long as FRESH. One that is new is asked for when the first token
# comes; but whoever makes up names of keys has nobody asked more often than every PAUSE.
FRESH = 300.0
PAUSE = 5.0


class Key(NamedTuple):
    """A public key. `name`: what tokens call it (`kid`), if it has one; `algorithms`: what may be signed with it."""

    name: str | None
    algorithms: tuple[str, ...]
    public: Any


class Keys:
    """The keys of an issuer. Those that there are stay for as long as the source gives none."""

    def __init__(self, issuer: str, source: Source) -> None:
        self._issuer = issuer
        self._source = source
        self._keys: tuple[Key, ...] = ()
        self._asking = threading.Lock()
        # On the monotonic clock.
        self._asked_at = float("-inf")
        self._given_at = float("-inf")
        self._refused = ""

    def of(self, name: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token which says this key name and algorithm: all that fit, where it says no name.
        Where none fits, the source is asked once more, at most every few seconds.

        Raises KeysUnavailable where none fits and the source, when it was asked last, gave nothing.
        """
        found = self._fitting(name, algorithm)
        if not found:
            with self._asking:
                self._ask()
            found = self._fitting(name, algorithm)
            if not found and self._refused:
                raise KeysUnavailable(self._refused)
        elif time.monotonic() - max(self._given_at + FRESH, self._asked_at + PAUSE) > 0 and self._asking.acquire(
            blocking=False
        ):
            # No request waits while there are keys, however long the issuer takes.
            try:
                threading.Thread(target=self._renew, name="keys", daemon=True).start()
            except RuntimeError:  # the machine gives no thread now: they stay until the next request
                self._asking.release()
        return found

    def load(self) -> None:
        """Asks the source now. Raises KeysUnavailable where it gives no key that can be used; whoever asks says so."""
        with self._asking:
            self._take(self._source())
        if not self._keys:
            raise KeysUnavailable("it has no key of a kind that is accepted")

    def _fitting(self, name: str | None, algorithm: str) -> list[Key]:
        return [key for key in self._keys if algorithm in key.algorithms and name in (None, key.name)]

    def _renew(self) -> None:
        try:
            self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> None:
        """The caller has the lock."""
        if time.monotonic() - self._asked_at < PAUSE:
            return
        try:
            self._take(self._source())
        except KeysUnavailable as failure:
            self._refused = str(failure)
            self._asked_at = time.monotonic()
            log.warning("an issuer gives no keys", extra={"issuer": self._issuer, "why": self._refused})

    def _take(self, described: list[Any]) -> None:
        """What the source has just given."""
        self._keys = tuple(key for each in described if (key := read_key(each)))
        self._given_at = self._asked_at = time.monotonic()
        self._refused = ""


def read_key(described: Any) -> Key | None:
    """The key that a JSON Web Key describes; None for what is no public key to check signatures with, or too weak."""
    if not isinstance(described, dict) or "d" in described:
        return None
    usable: tuple[str, ...] = ()
    name, kind, curve = (described.get(member) for member in ("kid", "kty", "crv"))
    if isinstance(kind, str) and (curve is None or isinstance(curve, str)):
        usable = ALGORITHMS.get((kind, curve), ())
    meant = described.get("alg")
    algorithms = tuple(algorithm for algorithm in usable if meant in (None, algorithm))
    if not algorithms or not _is_for_signatures(described) or not (name is None or isinstance(name, str)):
        return None
    try:
        public = PyJWK(described, algorithms[0]).key
    except PyJWTError:
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < SHORTEST_RSA:
        return None
    return Key(name, algorithms, public)


def _is_for_signatures(described: dict[str, Any]) -> bool:
    """By its `use` and `key_ops` (RFC 7517, 4.2 and 4.3), where it has them: null is as good as none."""
    uses, operations = described.get("use"), described.get("key_ops")
    return uses in (None, "sig") and (operations is None or (isinstance(operations, list) and "verify" in operations))
