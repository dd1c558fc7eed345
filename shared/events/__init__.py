"""What is told to others: the outbox, its delivery to the sink, and notifications.

May use rules, platform and web. Knows nothing of how money is moved.
"""
