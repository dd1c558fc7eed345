"""Stripe behind the gateway protocol.

May use rules and platform, and alone in this service the library requests.
"""
