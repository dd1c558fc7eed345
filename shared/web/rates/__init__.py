"""How often one caller may ask.

Part of the web room: may use rules and platform. The library that speaks to a shared store is imported only where one is set.
"""
