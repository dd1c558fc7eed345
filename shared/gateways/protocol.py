"""What every gateway understands, and the four things it can say of a charge or refund."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from shared.gateways.abilities import Abilities
from shared.gateways.facts import ChargePage, EventPage, Fact, Kind, MovementPage, Told


class Succeeded(NamedTuple):
    """The money moved. `gateway_id` is what the gateway calls it, where it has a name of its own."""

    gateway_id: str | None = None


class Declined(NamedTuple):
    """The money did not move and will not, under this reference. `code` says why, in the gateway's words."""

    code: str
    gateway_id: str | None = None


class Unknown(NamedTuple):
    """Whether the money moved is not known: it may have, or may yet. `why` is for the log.

    `answered` is False where the gateway gave no answer at all, or said that it cannot serve now: that is an outage,
    not a payment that is not final. `search_cursor` is where a search for it goes on at the next try, in the
    gateway's own words; empty: from the beginning; None: where it would have gone on before. `retry_after` is for how
    many seconds the gateway wants to be left alone, as far as it says so.
    """

    why: str
    gateway_id: str | None = None
    answered: bool = True
    search_cursor: str | None = None
    retry_after: float = 0.0


class NextAction(NamedTuple):
    """What the customer is to do before a charge goes on, as the app needs it. `kind`: `confirm` with the gateway's
    client library, by `client_secret`; `redirect` to `url`; `upi`: open `url` (an intent or a page of instructions),
    or show the code at `qr_code_url`. `expires_at` is the gateway's own limit, where it has one."""

    kind: Literal["confirm", "redirect", "upi"]
    client_secret: str | None = None
    url: str | None = None
    qr_code_url: str | None = None
    expires_at: datetime | None = None


class Waiting(NamedTuple):
    """The money has not moved: the gateway waits for the customer, who is there (`customer_present`). Whoever reads
    it later learns what became of it."""

    next_action: NextAction
    gateway_id: str


Outcome = Succeeded | Declined | Unknown | Waiting


def describe(outcome: Outcome | None) -> str:
    """What a gateway said, for people: None is what it provably never heard of."""
    match outcome:
        case None:
            return "never heard of it"
        case Succeeded():
            return "succeeded"
        case Declined(code=code):
            return f"declined ({code})"
        case Unknown(why=why):
            return f"not known ({why})"
        case Waiting():
            return "waits for the customer"


class GatewayRequest(NamedTuple):
    """A charge, or a refund, as the gateway is asked for it: the same however often it is asked, but for `age`,
    `asked` and `search_cursor`, which are in no request.

    `amount` in `currency`; `reference` is ours and the idempotency key; `created_at` is when it was claimed, by the
    database's clock, and `age` how long ago that was, in seconds; `asked` is how often somebody was to ask for it, this
    time included: from 2 on, an earlier request may have been carried out. `gateway_id` is what the gateway calls it,
    as far as known, and `search_cursor` where looking for it goes on (see Unknown). `charge_id` is what it calls the
    charge that a refund gives back. `simulate` is for the simulated gateway alone.

    `customer_present`: whether the customer can be asked; None where the claim does not say, and the gateway is not
    told either. `waits` is for how many seconds after the claim the customer is waited for, and then no longer.
    `made_elsewhere`: a refund that somebody made at the gateway, which does not bear our reference. `told` is what the
    gateway is told of the claim besides; None where it was claimed before anything was.
    """

    reference: str
    payment_id: int
    amount: Decimal
    currency: str
    created_at: datetime
    age: float
    asked: int = 1
    payment_token: str | None = None
    payment_customer: str | None = None
    description: str | None = None
    gateway_id: str | None = None
    search_cursor: str | None = None
    charge_id: str | None = None
    simulate: str | None = None
    method: str = "CARD"
    customer_present: bool | None = None
    waits: float = 0.0
    made_elsewhere: bool = False
    told: Told | None = None

    @property
    def customer_is_late(self) -> bool:
        """Whether the customer is waited for no longer: a charge that still needs one is cancelled."""
        return self.age >= self.waits


def account_name(account: str) -> str:
    """What an account is called, without the key that it was used with."""
    return account.partition("#")[0]


class Gateway(Protocol):
    """Each call answers within GATEWAY_TIMEOUT seconds and raises nothing: an error after the request may have left is
    Unknown, never Declined. Asked twice with one reference, it moves the money once, as long as it remembers the first
    time; what the request has the gateway's name of (`gateway_id`) is only read. `account` says whose money it moves
    there, by its name and perhaps the key (`name#key`): what was asked of one account is not known to another.
    `abilities` says what it can do: its row of the table, with the methods of the account.
    """

    name: str
    account: str
    abilities: Abilities

    def confirms_account(self) -> bool:
        """Whether the gateway itself says that the account is the one of its name, whatever the settings say."""

    def charge(self, request: GatewayRequest) -> Outcome: ...

    def refund(self, request: GatewayRequest) -> Outcome: ...

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        """What became of a charge, without asking for it again: None where it provably never was. Declined only where
        the gateway shows the charge itself."""

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        """What became of a refund, as `find_charge`."""

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> "Fact | Unknown | None":
        """What an object of the gateway's is now, by its id, within `timeout` seconds: None where it shows no such
        object. Raises nothing."""

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage | Unknown:
        """A page of its own list of what it rang with since then, or wanted to: the newest, or those after a place that the
        page before named. Only what it could not deliver, where it sends webhooks here. An Unknown with an empty
        `search_cursor`: that place is gone. Raises nothing. Asked only where its abilities have `webhooks`."""

    def list_movements(
        self, since: datetime, until: datetime, after: str | None, timeout: float
    ) -> MovementPage | Unknown:
        """A page of what moved in its books from `since` on and before `until`: the newest, or those after a place that
        the page before named. An Unknown with an empty `search_cursor`: that place is gone. Raises nothing. Asked only where
        its abilities say that it `keeps_books`."""

    def list_charges(self, since: datetime, until: datetime, after: str | None, timeout: float) -> ChargePage | Unknown:
        """A page of the charges that were made in that time, whatever became of them, as `list_movements`."""

    def dashboard(self, gateway_id: str) -> str | None:
        """Where a person sees a charge in the gateway's own pages: None where it has none."""
