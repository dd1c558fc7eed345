"""What a caller may be allowed to do."""

from typing import Literal, get_args

Permission = Literal["payments:write", "refunds:write", "payments:read", "metrics:read", "payments:settle"]
PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))
