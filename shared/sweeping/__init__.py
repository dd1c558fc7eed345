"""What a sweep does: whatever was left behind is carried to its end.

May use every other room; no other room may use this one.
"""
