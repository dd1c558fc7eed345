"""What a trip costs: the Trip Service, and the fare.

May use rules, platform and web, whose problems say why a trip cannot be priced.
"""
