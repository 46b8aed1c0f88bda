"""The providers that FTE talks to, as HTTP servers of one's own: they behave as documented, remember what they accepted
in a truth of their own, and fail when they are told to. For anyone without credentials, for tests and for the demo.
"""
