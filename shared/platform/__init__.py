"""What the service stands on: settings, the database, HTTP to others, the log, JSON.

May use rules. Knows nothing of payments.
"""
