"""What clients read: payments, their refunds and receipts, and the totals.

May use rules, platform and web. Writes nothing.
"""
