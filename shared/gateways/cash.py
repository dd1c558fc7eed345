"""Cash: the driver has it in hand, so there is nobody to ask."""

from datetime import datetime

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargePage, EventPage, Kind, MovementPage
from shared.gateways.protocol import GatewayRequest, Succeeded


class Cash:
    """What was collected, or given back, by hand is done."""

    name = "cash"
    account = "cash"
    abilities = ABILITIES["cash"]

    def confirms_account(self) -> bool:
        return True

    def charge(self, request: GatewayRequest) -> Succeeded:
        return Succeeded()

    refund = find_charge = find_refund = charge

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> None:
        return None

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage:
        return EventPage((), None)

    def list_movements(self, since: datetime, until: datetime, after: str | None, timeout: float) -> MovementPage:
        return MovementPage((), None)

    def list_charges(self, since: datetime, until: datetime, after: str | None, timeout: float) -> ChargePage:
        return ChargePage((), None)

    def dashboard(self, gateway_id: str) -> None:
        return None
