"""Who may call: tokens, the keys that they are signed with, and what their callers may do.

Part of the web room. The libraries that read tokens are imported only where there is something to check.
"""
