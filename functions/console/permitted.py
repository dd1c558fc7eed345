"""What whoever looks may do besides: buttons that would be refused are not shown. The door refuses, not these."""

from shared.rules.permissions import Permission
from shared.web.call import Call


def may(call: Call, permission: Permission) -> bool:
    """Whether the caller has the permission; everybody has every one while the service is open."""
    return call.caller is None or permission in call.caller.permissions


def who(call: Call) -> str:
    """The caller, as the audit trail keeps it: issuer and subject; while the service is open, that nobody was asked, and from
    which address it came."""
    return call.caller.name if call.caller else f"console (open) {call.address}"
