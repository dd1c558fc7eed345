"""The balance of the tests' own gateway: a balance transaction for whatever moves money into the account or out of it.

https://docs.stripe.com/api/balance_transactions/object, https://docs.stripe.com/reports/balance-transaction-types
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.fakes.stripe_lists import limit_of
from tests.fakes.stripe_requests import Fields, Refusal, Thing, shown

DISPUTE_FEE = 1500
PENDING = 2 * 86400  # seconds after which a charge may be paid out
QUERY = {"created[gte]", "created[gt]", "created[lte]", "created[lt]", "type", "source", "currency"}
QUERY |= {"limit", "starting_after", "expand[]"}
CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "stripe_fee": "fee",
}


def fee_of(amount: int) -> int:
    """What a charge costs, in minor units: 2 % and 3.00; in tens, as currencies of three decimals are counted."""
    return amount // 500 * 10 + 300


@dataclass
class Balance:
    """`rates`: into which currency of the account money of another is exchanged, and how. `made`, where it is given, is listed
    in place of what was `written`."""

    now: Callable[[], float]
    rates: dict[str, tuple[str, float]] = field(default_factory=dict)
    written: list[Thing] = field(default_factory=list)
    made: "Made | None" = None
    _by_id: dict[str, Thing] = field(default_factory=dict)

    def write(self, kind: str, source: Thing | None, amount: int, fee: int = 0, currency: str = "") -> Thing:
        """Moves `amount` less `fee`, in minor units of the source's currency: above 0 what comes in."""
        currency = currency or (source or {})["currency"]
        into, rate = self.rates.get(currency, (currency, None))
        transaction = _transaction(
            len(self._by_id) + 1,
            kind,
            source,
            int(self.now()),
            round(amount * (rate or 1)),
            round(fee * (rate or 1)),
            into,
        )
        transaction["exchange_rate"] = rate
        insort(self.written, transaction, key=_place)
        self._by_id[transaction["id"]] = transaction
        return transaction

    def of(self, thing_id: str) -> list[Thing]:
        """The transaction of this name, or those of the object of this name; of an intent those of its charge."""
        names = (thing_id, f"ch_{thing_id[3:]}" if thing_id.startswith("pi_") else thing_id)
        return [each for each in self.written if each["id"] in names or (each["_source"] or {}).get("id") in names]

    def drop(self, transaction: Thing) -> None:
        self.written.remove(transaction)

    def sums(self) -> dict[str, int]:
        """What the account has, by currency, in minor units."""
        sums: Counter[str] = Counter()
        for each in self.written:
            sums[each["currency"]] += each["net"]
        return dict(sums)

    def shown(self) -> Thing:
        amounts = [{"amount": amount, "currency": currency} for currency, amount in self.sums().items()]
        return {"object": "balance", "available": amounts, "livemode": False, "pending": []}

    def one(self, transaction_id: str, query: Fields) -> Thing:
        found = self._by_id.get(transaction_id)
        if found is None or found not in self.written:
            raise Refusal(404, "invalid_request_error", "resource_missing")
        return self._shown(found, expand=("expand[]", "source") in query)

    def list(self, query: Fields) -> Thing:
        """A page, newest first, that costs the same however many there are."""
        asked = dict(query)
        if unknown := set(asked) - QUERY:
            raise Refusal(400, "invalid_request_error", "parameter_unknown", param=min(unknown))
        if wrong := {value for name, value in query if name == "expand[]"} - {"data.source"}:
            raise Refusal(400, "invalid_request_error", param=min(wrong))
        limit, chosen = limit_of(asked), []
        for each in self._newest_first(asked):
            chosen.append(each)
            if len(chosen) > limit:
                break
        page = [self._shown(each, expand="expand[]" in asked) for each in chosen[:limit]]
        return {"object": "list", "data": page, "has_more": len(chosen) > limit, "url": "/v1/balance_transactions"}

    def _newest_first(self, asked: dict[str, str]) -> Iterator[Thing]:
        things: Sequence[Thing] = self.written if self.made is None else self.made
        oldest = max(int(asked.get("created[gte]", "0")), int(asked.get("created[gt]", "-1")) + 1)
        latest = min(int(asked.get("created[lte]", str(2**62))), int(asked.get("created[lt]", str(2**62))) - 1)
        end = bisect_left(things, (latest + 1, 0), key=_place)
        if after := asked.get("starting_after"):
            end = min(end, self._index(things, after))
        for index in range(end - 1, -1, -1):
            each = things[index]
            if each["created"] < oldest:
                return
            if _is_asked_for(each, asked):
                yield each

    def _index(self, things: Sequence[Thing], transaction_id: str) -> int:
        found = self._by_id.get(transaction_id) if self.made is None else self.made.named(transaction_id)
        index = bisect_left(things, _place(found), key=_place) if found else len(things)
        if index == len(things) or things[index]["id"] != transaction_id:
            raise Refusal(400, "invalid_request_error", "resource_missing", param="starting_after")
        return index

    def _shown(self, transaction: Thing, *, expand: bool) -> Thing:
        source = transaction["_source"]
        status = "available" if transaction["available_on"] <= self.now() else "pending"
        return shown(transaction) | {
            "source": shown(source) if source and expand else source and source["id"],
            "status": status,
        }


class Made(Sequence[Thing]):
    """So many transactions of charges, made as they are read, one after another from `since` to `until` (seconds since the
    epoch). Number i, from 1, is the charge of `pi_made_{i:09d}`, which bears `PAY-MADE-{i:09d}` and payment_id i, and is of
    10000 + i % 5000 minor units."""

    def __init__(self, count: int, since: int, until: int, currency: str = "inr") -> None:
        self._count, self._since, self._seconds, self._currency = count, since, until - since, currency

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Thing:  # type: ignore[override]  # no slices are asked for
        if not 0 <= index < self._count:
            raise IndexError(index)
        number, amount = index + 1, 10000 + (index + 1) % 5000
        created = self._since + self._seconds * index // self._count
        charge = {
            "id": f"ch_made_{number:09d}",
            "object": "charge",
            "amount": amount,
            "created": created,
            "currency": self._currency,
            "metadata": {"reference": f"PAY-MADE-{number:09d}", "payment_id": str(number)},
            "payment_intent": f"pi_made_{number:09d}",
            "status": "succeeded",
        }
        return _transaction(number, "charge", charge, created, amount, fee_of(amount), self._currency)

    def named(self, transaction_id: str) -> Thing | None:
        number = int(transaction_id.removeprefix("txn_"))
        return self[number - 1] if 1 <= number <= self._count else None


def _transaction(
    number: int, kind: str, source: Thing | None, created: int, amount: int, fee: int, currency: str
) -> Thing:
    category = CATEGORIES.get(kind, kind)
    if kind == "adjustment":
        category = "dispute" if amount < 0 else "dispute_reversal"
    fees = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe fees", "type": "stripe_fee"}
    ]
    return {
        "id": f"txn_{number:012d}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created + (PENDING if category == "charge" else 0),
        "created": created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "type": kind,
        "_source": source,
        "_number": number,
    }


def _place(transaction: Thing) -> tuple[int, int]:
    return transaction["created"], transaction["_number"]


def _is_asked_for(transaction: Thing, asked: dict[str, str]) -> bool:
    source = (transaction["_source"] or {}).get("id")
    known = {"type": transaction["type"], "currency": transaction["currency"], "source": source}
    return all(asked.get(name, value) == value for name, value in known.items())
