"""Late truth: what a gateway says after its first word. It rings, what it rings for is read there, and the books follow that.

May use charging and every room below; only sweeping may use this room.
"""
