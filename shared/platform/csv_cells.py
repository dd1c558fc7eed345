"""Cells of CSV files (RFC 4180), as spreadsheets open them."""

from datetime import UTC, datetime


def cell(value: object) -> object:
    """The value as it stands in a cell: a moment in UTC; a text that a spreadsheet would run as a formula made harmless
    (https://owasp.org/www-community/attacks/CSV_Injection)."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
