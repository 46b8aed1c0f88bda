"""Named places where a test may have the process die as if by a power cut, to prove what that leaves behind."""

from __future__ import annotations

import os
import signal

# Not a setting: it exists for fault tests alone, and no service may be configured to crash.
_CHOSEN = os.environ.get("FTE_CRASH_POINT", "")


def reached(name: str) -> None:
    """End this process by SIGKILL if the environment's FTE_CRASH_POINT names this place; otherwise nothing.

    The kit's places: `consumer.before_apply_commit`, `consumer.after_apply_commit`, `relay.after_produce`. A service
    names its own in its README.
    """
    if _CHOSEN and name == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
