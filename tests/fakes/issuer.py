"""An issuer of tokens of the tests' own, in the shape of a Kubernetes cluster: discovery, keys and projected tokens."""

import base64
import hashlib
import hmac
import json
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.server import CuttableServer

AUDIENCE = "payment-service"
SUBJECT = "system:serviceaccount:rides:trip-service"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


def private_key(algorithm: str, name: str) -> Any:
    """A private key for an algorithm, the same for a name whenever it is asked for: an RSA key takes long to make."""
    with _making:
        return _private_key(algorithm, name)


# Two threads would make two keys.
_making = threading.Lock()


@cache
def _private_key(algorithm: str, name: str) -> Any:
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024 if name == "short" else 2048)
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_jwk(algorithm: str, name: str, **members: Any) -> dict[str, Any]:
    """The JSON Web Key of `private_key` of the same arguments, as Kubernetes describes it."""
    public = private_key(algorithm, name).public_key()
    described: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    described.pop("key_ops", None)
    return {**described, "use": "sig", "alg": algorithm, "kid": name, **members}


class Issuer:
    """Signs with the keys that it is given names of, and serves their public halves over HTTP until `stop`; a context manager
    that stops it. `status` is what it answers, after `delay` seconds; `asked` holds the paths that it was asked for.
    """

    def __init__(self, *names: str, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self.names = list(names or ("first",))
        self.status = 200
        self.delay = 0.0
        self.asked: list[str] = []
        self.says_it_is: str | None = None
        self.also_says: dict[str, Any] = {}
        # What it gives for a code, and what it was sent for that: headers and the body's fields.
        self.gives: Any = {}
        self.exchanged: list[tuple[dict[str, str], dict[str, str]]] = []
        self._server = CuttableServer(("127.0.0.1", 0), _Handler)
        self._server.issuer = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [public_jwk(self.algorithm, name) for name in self.names]}

    def write(self, path: Path) -> Path:
        """Writes the public keys into a file, as a ConfigMap has them."""
        path.write_text(json.dumps(self.jwks), encoding="utf-8")
        return path

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.says_it_is or self.url,
            "jwks_uri": f"{self.url}/openid/v1/jwks",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            **self.also_says,
        }

    def claims(self, **other: Any) -> dict[str, Any]:
        """What a projected service-account token says; `other` replaces claims, None leaves one out."""
        now = int(time.time())
        claims = {
            "aud": [AUDIENCE],
            "exp": now + 3600,
            "iat": now,
            "nbf": now,
            "iss": self.url,
            "jti": "4d3b7c0e-8c1f-4f3b-9a57-1f1f4f6f7d11",
            "kubernetes.io": {
                "namespace": "rides",
                "pod": {"name": "trip-service-0", "uid": "0d9b7f3c-57f4-4d3f-8d39-9f3d6f0f5a01"},
                "serviceaccount": {"name": "trip-service", "uid": "7b0d1b52-3a80-4ad6-a4f1-0f4bd7c5a9d2"},
            },
            "sub": SUBJECT,
            **other,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key: str = "", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token signed with the first key, or the one of this name; `headers` are added to its own."""
        name = key or self.names[0]
        own = {"kid": name, **(headers or {})}
        return jwt.encode(self.claims(**claims), private_key(self.algorithm, name), self.algorithm, headers=own)


def unsigned(claims: dict[str, Any], name: str = "first") -> str:
    """A token that says it needs no signature."""
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': name})}.{_part(claims)}."


def signed_with_the_public_key(claims: dict[str, Any], name: str = "first") -> str:
    """A token of HS256 whose secret is what everybody has: the public half of an RSA key."""
    public = private_key("RS256", name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': name})}.{_part(claims)}"
    return f"{message}.{_encoded(hmac.new(public, message.encode(), hashlib.sha256).digest())}"


# What may be wrong with a token.
WRONG = (
    "garbage",
    "a wrong key",
    "a wrong issuer",
    "a wrong audience",
    "expired",
    "not yet valid",
    "alg none",
    "HS256 with the public key",
)


def bad_tokens(issuer: Issuer) -> dict[str, str]:
    """Tokens that nobody may accept, by what is wrong with them (WRONG). The issuer signs with RS256."""
    now = int(time.time())
    right = issuer.claims()
    stranger = private_key("RS256", "a stranger's")
    kid = {"kid": issuer.names[0]}
    return {
        "garbage": "garbage",
        "a wrong key": jwt.encode(right, stranger, "RS256", headers=kid),
        "a wrong issuer": issuer.token(iss="https://somebody.example"),
        "a wrong audience": issuer.token(aud=["another-service"]),
        "expired": issuer.token(exp=now - 90),
        "not yet valid": issuer.token(nbf=now + 90),
        "alg none": unsigned(right, issuer.names[0]),
        "HS256 with the public key": signed_with_the_public_key(right, issuer.names[0]),
    }


def bad_token(issuer: Issuer, wrong: str) -> str:
    """One of them."""
    return bad_tokens(issuer)[wrong]


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        issuer: Issuer = self.server.issuer  # type: ignore[attr-defined]
        issuer.asked.append(self.path)
        time.sleep(issuer.delay)
        answers: dict[str, Any] = {
            "/.well-known/openid-configuration": issuer.discovery(),
            "/openid/v1/jwks": issuer.jwks,
        }
        self._answer(issuer.status if self.path in answers else 404, answers.get(self.path, {}))

    def do_POST(self) -> None:
        issuer: Issuer = self.server.issuer  # type: ignore[attr-defined]
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        issuer.asked.append(self.path)
        issuer.exchanged.append((dict(self.headers), dict(parse_qsl(sent))))
        time.sleep(issuer.delay)
        self._answer(issuer.status, issuer.gives)

    def _answer(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests show what they need."""
