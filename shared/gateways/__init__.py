"""Whoever moves the money: one protocol, a registry, and each gateway behind it.

May use rules and platform. Knows nothing of keys, leases or answers.
"""
