"""The HTTP side of every function: the door, requests, answers, problems, limits.

May use rules and platform. Knows nothing of how money is moved.
"""
