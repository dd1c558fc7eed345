"""A token is accepted only if everything about it is right."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform import access_values
from shared.web.access import keys as keys_module
from shared.web.access import tokens as tokens_module
from shared.web.access.key_sources import KeysUnavailable
from shared.web.access.tokens import TokenRejected, Tokens
from tests.fakes.issuer import ALGORITHMS, AUDIENCE, SUBJECT, WRONG, Issuer, bad_token, private_key, public_jwk


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def known(issuer: Issuer, keys: str = "", **other: str) -> access_values.Issuer:
    [read] = access_values.issuers(json.dumps([{"issuer": issuer.url, **({"keys": keys} if keys else {}), **other}]))
    return read


@pytest.fixture(scope="module")
def tokens(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens([known(issuer, str(issuer.write(tmp_path_factory.mktemp("keys") / "jwks.json")))], AUDIENCE)


def test_a_right_token_says_whose_it_is(issuer: Issuer, tokens: Tokens) -> None:
    claims = tokens.read(issuer.token(scope="payments:read payments:write"))
    assert claims == (issuer.url, SUBJECT, {"payments:read", "payments:write"})


def test_a_token_of_kubernetes_says_no_scope(issuer: Issuer, tokens: Tokens) -> None:
    assert tokens.read(issuer.token()).scope == frozenset()


def test_what_a_scope_permits_elsewhere_takes_no_room(issuer: Issuer, tokens: Tokens) -> None:
    """A thousand tokens are remembered, and each may have a thousand words."""
    assert tokens.read(issuer.token(scope="payments:read elsewhere:write events:send")).scope == {"payments:read"}


@pytest.mark.parametrize("scope", [["payments:write"], 7, {"payments:write": True}])
def test_a_scope_that_is_no_text_permits_nothing(issuer: Issuer, tokens: Tokens, scope: Any) -> None:
    assert tokens.read(issuer.token(scope=scope)).scope == frozenset()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_accepted_algorithm_is_accepted(algorithm: str, tmp_path: Path) -> None:
    with Issuer(algorithm=algorithm) as issuer:
        tokens = Tokens([known(issuer, str(issuer.write(tmp_path / "jwks.json")))], AUDIENCE)
        assert tokens.read(issuer.token()).subject == SUBJECT


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_token_is_not_accepted(issuer: Issuer, tokens: Tokens, wrong: str) -> None:
    with pytest.raises(TokenRejected):
        tokens.read(bad_token(issuer, wrong))


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "sub"])
def test_a_token_that_leaves_something_out_is_not_accepted(issuer: Issuer, tokens: Tokens, name: str) -> None:
    with pytest.raises(TokenRejected):
        tokens.read(issuer.token(**{name: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "a\x1b[31mb"},
        {"sub": "a\u2028b"},
        {"sub": "a\u202eb"},
        {"sub": "x" * 256},
        {"iss": ["https://somebody.example"]},
        {"aud": []},
        {"aud": {"payment-service": 1}},
        {"exp": "tomorrow"},
        {"exp": float("inf")},
        {"exp": True},
        {"exp": 10**400},
        {"nbf": float("inf")},
        {"nbf": []},
    ],
    ids=repr,
)
def test_a_token_with_a_claim_of_another_kind_is_not_accepted(
    issuer: Issuer, tokens: Tokens, claims: dict[str, Any]
) -> None:
    # As an issuer would sign it: PyJWT, asked to, refuses to sign some of these.
    text = json.dumps({**issuer.claims(), **claims}).encode()
    signed = jwt.api_jws.encode(text, private_key("RS256", "first"), "RS256", headers={"kid": "first"})
    with pytest.raises(TokenRejected):
        tokens.read(signed)


def test_clocks_may_differ_by_half_a_minute(issuer: Issuer, tokens: Tokens) -> None:
    now = int(time.time())
    assert tokens.read(issuer.token(exp=now - 20, nbf=now - 100))
    assert tokens.read(issuer.token(nbf=now + 20))
    assert tokens.read(issuer.token(iat=now + 10_000))


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS512", "first"), ("PS512", "first"), ("ES384", "curve"), ("RS256", "short"), ("HS256", "x")],
)
def test_what_is_weaker_or_of_another_kind_is_not_accepted(algorithm: str, key: str, tmp_path: Path) -> None:
    """Even where the issuer itself names such a key."""
    with Issuer() as issuer:
        if algorithm == "HS256":
            secret = "c2VjcmV0" * 8
            described: dict[str, Any] = {"kty": "oct", "k": secret, "kid": key}
            signed = jwt.encode(issuer.claims(), jwt.utils.base64url_decode(secret), algorithm, headers={"kid": key})
        else:
            described = public_jwk(algorithm, key)
            signed = jwt.encode(issuer.claims(), private_key(algorithm, key), algorithm, headers={"kid": key})
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps({"keys": [described, *issuer.jwks["keys"]]}), encoding="utf-8")
        tokens = Tokens([known(issuer, str(file))], AUDIENCE)
        assert tokens.read(issuer.token())
        with pytest.raises(TokenRejected):
            tokens.read(signed)


@pytest.mark.parametrize("key_ops", [None, 5, "verify", {}, ["sign"]])
def test_one_odd_key_keeps_the_issuer_s_others_from_nobody(key_ops: Any, tmp_path: Path) -> None:
    with Issuer() as issuer:
        odd = public_jwk("RS256", "odd", key_ops=key_ops)
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps({"keys": [odd, *issuer.jwks["keys"]]}), encoding="utf-8")
        assert Tokens([known(issuer, str(file))], AUDIENCE).read(issuer.token())


def test_a_key_signs_only_with_the_algorithm_that_it_is_for(issuer: Issuer, tokens: Tokens) -> None:
    signed = jwt.encode(issuer.claims(), private_key("RS256", "first"), "PS256", headers={"kid": "first"})
    with pytest.raises(TokenRejected):
        tokens.read(signed)


@pytest.mark.parametrize("place", ["jku", "x5u", "jwk"])
def test_where_the_keys_are_is_not_for_the_token_to_say(issuer: Issuer, tokens: Tokens, place: str) -> None:
    with Issuer("a stranger's") as stranger:
        said: dict[str, Any] = {"jwk": public_jwk("RS256", "a stranger's")}
        said |= {"jku": f"{stranger.url}/openid/v1/jwks", "x5u": f"{stranger.url}/openid/v1/jwks"}
        for kid in ("first", "a stranger's"):
            header = {"kid": kid, place: said[place]}
            forged = jwt.encode(issuer.claims(), private_key("RS256", "a stranger's"), "RS256", headers=header)
            with pytest.raises(TokenRejected):
                tokens.read(forged)
        assert stranger.asked == []


def test_a_token_that_wants_something_unknown_to_be_understood_is_not_accepted(issuer: Issuer, tokens: Tokens) -> None:
    with pytest.raises(TokenRejected):
        tokens.read(issuer.token(headers={"crit": ["b65"], "b65": True}))


def test_a_token_is_of_one_issuer_and_for_its_audience_only(tmp_path: Path) -> None:
    """What one issuer signs is not believed where it names another, and each has its own audience."""
    with Issuer("one") as one, Issuer("two") as two:
        tokens = Tokens(
            [
                known(one, str(one.write(tmp_path / "one.json"))),
                known(two, str(two.write(tmp_path / "two.json")), audience="payments-of-two"),
            ],
            AUDIENCE,
        )
        assert tokens.read(one.token()).issuer == one.url
        assert tokens.read(two.token(aud="payments-of-two")).issuer == two.url
        for forged in (one.token(iss=two.url, aud="payments-of-two"), two.token(), two.token(iss=one.url)):
            with pytest.raises(TokenRejected):
                tokens.read(forged)


def test_a_token_without_a_name_of_its_key_is_tried_with_all(tmp_path: Path) -> None:
    with Issuer("one", "two") as issuer:
        tokens = Tokens([known(issuer, str(issuer.write(tmp_path / "jwks.json")))], AUDIENCE)
        for name in ("one", "two"):
            nameless = jwt.encode(issuer.claims(), private_key("RS256", name), "RS256")
            assert tokens.read(nameless).subject == SUBJECT
        with pytest.raises(TokenRejected):
            tokens.read(jwt.encode(issuer.claims(), private_key("RS256", "a stranger's"), "RS256"))


@given(
    st.text() | st.lists(st.text(alphabet='eyJhbGciOi.-_AQ=09{}"', max_size=40), min_size=3, max_size=3).map(".".join)
)
def test_whatever_comes_as_a_token_is_read_or_not_accepted(text: str) -> None:
    with pytest.raises(TokenRejected):
        Tokens([], AUDIENCE).read(text)


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "cty"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["RS256", "none", "first", "JWT", "b64"]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)


@given(HEADERS, st.recursive(st.none() | st.text() | st.floats(), lambda inner: st.dictionaries(st.text(), inner)))
def test_whatever_a_token_is_made_of_it_is_not_accepted_without_a_signature(
    issuer: Issuer, tokens: Tokens, header: dict[str, Any], payload: Any
) -> None:
    payload = {**issuer.claims(), **payload} if isinstance(payload, dict) else payload
    parts = [jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (header, payload)]
    with pytest.raises(TokenRejected):
        tokens.read(".".join([*parts, "AAAA"]))


def test_a_token_that_was_accepted_is_checked_once_and_until_it_expires(
    issuer: Issuer, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    check = Tokens._check
    monkeypatch.setattr(Tokens, "_check", lambda self, token: checked.append(token) or check(self, token))
    now = int(time.time())
    token = issuer.token(exp=now + 60, sub="somebody")
    for _ in range(3):
        assert tokens.read(token).subject == "somebody"
    assert checked == [token]
    with pytest.raises(TokenRejected):  # one letter more is another token
        tokens.read(f"{token}A")
    monkeypatch.setattr(tokens_module, "time", SimpleNamespace(time=lambda: now + 60 + tokens_module.LEEWAY))
    tokens.read(token)  # PyJWT's own clock has not moved
    assert checked[1:] == [f"{token}A", token]


def test_no_more_tokens_are_remembered_than_there_is_room_for(
    issuer: Issuer, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "MOST_REMEMBERED", 3)
    for number in range(10):
        assert tokens.read(issuer.token(sub=f"somebody {number}")).subject == f"somebody {number}"
    assert len(tokens._accepted) <= 3


class TestKeys:
    """Keys of an issuer, on a clock of the test's own."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(keys_module, "time", SimpleNamespace(monotonic=lambda: self.now))

    def test_they_are_discovered_and_kept(self, issuer: Issuer) -> None:
        issuer.asked.clear()
        tokens = Tokens([known(issuer)], AUDIENCE)
        for _ in range(3):
            assert tokens.read(issuer.token())
        assert issuer.asked == ["/.well-known/openid-configuration", "/openid/v1/jwks"]

    def test_a_new_key_is_asked_for_once_and_at_most_every_few_seconds(self) -> None:
        with Issuer("old", "new") as issuer:
            issuer.names = ["old"]
            tokens = Tokens([known(issuer, f"{issuer.url}/openid/v1/jwks")], AUDIENCE)
            assert tokens.read(issuer.token())
            assert len(issuer.asked) == 1
            with pytest.raises(TokenRejected):
                tokens.read(issuer.token(key="new"))
            assert len(issuer.asked) == 1  # a moment ago it had no other
            issuer.names = ["new", "old"]
            self.now += keys_module.PAUSE
            assert tokens.read(issuer.token(key="new"))
            assert tokens.read(issuer.token(key="old"))
            for _ in range(10):
                with pytest.raises(TokenRejected):
                    tokens.read(issuer.token(key="made up"))
            assert len(issuer.asked) == 2

    def test_the_old_ones_are_kept_while_the_issuer_is_down(self) -> None:
        with Issuer() as issuer:
            tokens = Tokens([known(issuer)], AUDIENCE)
            assert tokens.read(issuer.token())
            issuer.status = 503
            self.now += keys_module.PAUSE
            with pytest.raises(KeysUnavailable):  # perhaps it is a new one
                tokens.read(issuer.token(key="new"))
            self.now += 1_000_000
            assert tokens.read(issuer.token())

    def test_nobody_can_tell_where_there_never_was_a_key(self) -> None:
        with Issuer() as issuer:
            tokens = Tokens([known(issuer)], AUDIENCE)
            issuer.status = 500
            for _ in range(3):
                with pytest.raises(KeysUnavailable):
                    tokens.read(issuer.token())
            assert len(issuer.asked) == 1
            issuer.status = 200
            self.now += keys_module.PAUSE
            assert tokens.read(issuer.token())

    def test_a_key_that_was_withdrawn_is_forgotten(self, tmp_path: Path) -> None:
        with Issuer("old", "new") as issuer:
            file = issuer.write(tmp_path / "jwks.json")
            tokens = Tokens([known(issuer, str(file))], AUDIENCE)
            token = issuer.token(key="old")
            assert tokens.read(token)
            issuer.names = ["new"]
            issuer.write(file)
            self.now += keys_module.FRESH + 1
            assert tokens.read(token)  # has them asked for, and waits for nobody
            [asking] = [thread for thread in keys_module.threading.enumerate() if thread.name == "keys"] or [None]
            if asking:
                asking.join()
            with pytest.raises(TokenRejected):
                tokens.read(token)

    def test_a_machine_that_gives_no_thread_leaves_the_keys_and_holds_up_nobody(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def start(_: object) -> None:
            raise RuntimeError("can't start new thread")

        with Issuer("old", "new") as issuer:
            issuer.names = ["old"]
            keys = Tokens([known(issuer, str(issuer.write(tmp_path / "jwks.json")))], AUDIENCE)
            assert keys.read(issuer.token())
            self.now += keys_module.FRESH + 1
            monkeypatch.setattr(keys_module.threading.Thread, "start", start)
            assert keys.read(issuer.token())
            [issuer_known] = keys._known.values()
            assert not issuer_known.keys._asking.locked()

    def test_who_answers_for_another_issuer_is_not_believed(self) -> None:
        with Issuer() as issuer:
            issuer.says_it_is = "https://somebody.example"
            with pytest.raises(KeysUnavailable):
                Tokens([known(issuer)], AUDIENCE).read(issuer.token())

    def test_a_crowd_with_a_new_key_has_the_issuer_asked_once(self) -> None:
        with Issuer() as issuer:
            issuer.delay = 0.3
            tokens = Tokens([known(issuer, f"{issuer.url}/openid/v1/jwks")], AUDIENCE)
            token = issuer.token()
            threads = [keys_module.threading.Thread(target=tokens.read, args=(token,)) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(issuer.asked) == 1

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"keys": 1}', '{"keys": []}', '{"keys": [{"kty": "oct"}, 7, {}]}']
    )
    def test_a_file_without_a_key_stops_the_start(self, issuer: Issuer, tmp_path: Path, text: str) -> None:
        file = tmp_path / "jwks.json"
        file.write_text(text, encoding="utf-8")
        for path in (str(file), str(tmp_path / "absent.json")):
            with pytest.raises(SystemExit, match=rf"there are no keys of {issuer.url}: "):
                Tokens([known(issuer, path)], AUDIENCE).load_files()
