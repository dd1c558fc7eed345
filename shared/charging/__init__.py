"""Moving money exactly once: charging, refunding, and carrying to its end whatever was interrupted.

May use every other room; no other room may use this one.
"""
