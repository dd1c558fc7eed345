"""Reconciliation: what a gateway moved beside what the books say, movement by movement; and entering what the books lost.

May use late and every room below; no room may use this one.
"""
