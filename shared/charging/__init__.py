"""Moving money exactly once: charging, refunding, and carrying to its end whatever was interrupted.

May use every room below; only late and sweeping may use this one.
"""
