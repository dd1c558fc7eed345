"""Reconciling what is due: yesterday, of every gateway that keeps books."""

from shared.charging.dependencies import Dependencies


def reconcile_due(deps: Dependencies, until: float) -> bool:
    """Reconciles yesterday, beginning nothing after `until` (monotonic clock). Whether that is done: it is where no gateway
    keeps books, and there is nothing yet that reads the books of one."""
    gateways = (deps.gateways.named(name) for name in deps.gateways.accounts())
    return not any(gateway and gateway.abilities.keeps_books for gateway in gateways)
