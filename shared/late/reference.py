"""Whose a charge is that has no name in the books yet: it bears a reference of ours, or is not ours."""

from shared.charging.dependencies import Dependencies
from shared.gateways.facts import ChargeFact
from shared.gateways.protocol import Unknown


def reference_of(deps: Dependencies, gateway: str, charge_id: str) -> str | Unknown | None:
    """The reference that a charge bears at the gateway of this name; None where it bears none, or is not shown."""
    able = deps.gateways.named(gateway)
    if able is None:
        return Unknown(f"the settings of {gateway} are absent")
    charge = able.read("charge", charge_id, deps.settings.gateway_timeout)
    if isinstance(charge, Unknown):
        return charge
    return charge.reference if isinstance(charge, ChargeFact) else None
