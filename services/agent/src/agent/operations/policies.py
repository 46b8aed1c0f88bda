"""The policy that runs are judged by."""

from agent.thinking.rules import Policy


class Policies:
    """Knows the policy in force. A run asks once, and keeps what it was given."""

    def __init__(self, packaged: Policy) -> None:
        self._current = packaged

    def current(self) -> Policy:
        """Returns the policy in force now."""
        return self._current
