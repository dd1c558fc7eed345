"""The methods of payment, and the states a payment can be in."""

METHODS = ("CARD", "UPI", "WALLET", "CASH")
STATUSES = ("PENDING", "SUCCESS", "FAILED", "REFUNDED")
