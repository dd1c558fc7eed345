"""What holds of money, states and identifiers, whoever asks: plain values and functions.

May use nothing but the standard library, and does no I/O.
"""
