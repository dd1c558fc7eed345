"""A token for events, made at a start where no cluster gives one: who publishes, and the clock, say with it that they belong to
this service. `python -m local.event_token FOLDER` writes it for all who mount that folder, as Compose does.

The key that signs it is thrown away, so nobody can make another; the next start's takes its place.
"""

import json
import secrets
import sys
import time
from pathlib import Path
from typing import NamedTuple

ISSUER = "payment-service-start"
SUBJECT = "payment-service"
# Not AUTH_AUDIENCE: whoever got hold of it could not pay with it.
AUDIENCE = "payment-service-events"
# Seconds, ten years: containers and machines are started again without another start of ours.
LIFETIME = 10 * 365 * 86400
ITS_OWNER, EVERYBODY = 0o600, 0o444


class EventToken(NamedTuple):
    """The files: the token itself, and the public key that it is checked with."""

    token: Path
    keys: Path

    @property
    def settings(self) -> dict[str, str]:
        """What lets the functions and the clock send it, and take nothing else."""
        senders = {"issuer": ISSUER, "audience": AUDIENCE, "keys": str(self.keys), "subjects": [SUBJECT]}
        return {"AUTH_EVENTS": json.dumps(senders), "EVENT_TOKEN_FILE": str(self.token)}


def write(folder: Path, mode: int = ITS_OWNER) -> EventToken:
    """Makes a token and writes its files, in the place of those of an earlier start. The key comes first: nobody is to be sent
    a token that he cannot check."""
    import jwt  # a start that makes none does without
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    files = EventToken(folder / "event-token", folder / "event-keys.json")
    key, name, now = Ed25519PrivateKey.generate(), secrets.token_hex(8), int(time.time())
    described = jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key(), as_dict=True)
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
    public = {**described, "kid": name, "use": "sig", "alg": "EdDSA"}
    public.pop("key_ops", None)
    _replace(files.keys, json.dumps({"keys": [public]}), mode)
    _replace(files.token, jwt.encode(claims, key, "EdDSA", headers={"kid": name}), mode)
    return files


def _replace(path: Path, text: str, mode: int) -> None:
    """At once: whoever reads it meanwhile reads the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(0o600, exist_ok=False)
    new.write_text(text, encoding="ascii")
    new.chmod(mode)
    new.replace(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]), EVERYBODY)
