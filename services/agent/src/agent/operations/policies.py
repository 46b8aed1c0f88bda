"""The policy that runs are judged by."""

from agent.errors import PolicyError, PolicyInvalid, PolicyNotFound
from agent.thinking import rules
from agent.thinking.rules import Policy
from meshkit.errors import InvalidArgument


class Policies:
    """Knows the policy in force. A run asks once, and keeps what it was given."""

    def __init__(self, packaged: Policy) -> None:
        self._current = packaged

    def current(self) -> Policy:
        """Returns the policy in force now."""
        return self._current

    async def chosen(self, version: str, content: str) -> Policy:
        """Returns the policy of that version, or the one in `content`, or, without either, the one in force.

        Raises PolicyNotFound, PolicyInvalid, and InvalidArgument when both are given.
        """
        if version and content:
            raise InvalidArgument.of("policy", "leave it empty where a policy's content is given")
        if content:
            try:
                return rules.parse(content, "policy")
            except PolicyError as error:
                # Our own words about an entry and a rule, which hold nothing else.
                raise PolicyInvalid("policy_content", str(error)) from error
        if version and version != self._current.version:
            raise PolicyNotFound(version)
        return self._current
