"""Starts a part again that died: a customer's message must not wait for a person to notice."""

import threading
import time
from collections.abc import Callable, Sequence

from local.errors import CannotStart
from local.parts import Part

BACKOFF_SECONDS_MIN = 0.5
BACKOFF_SECONDS_MAX = 30.0
DEATHS_MAX = 12
"""Deaths in a row before a part stays down: about four minutes of trying."""
STEADY_SECONDS = 60.0
"""A part that has run so long has recovered: its earlier deaths no longer count."""
LOOK_SECONDS = 0.2


class Supervision:
    """Watches parts, one thread for each, from `start` to `stop`. `say` gets one line for each death."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None]) -> None:
        self._say = say
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(part,), name=f"watch {part.name}", daemon=True) for part in parts
        ]

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no longer; a part that is being started again may still come up, so stop the parts after this."""
        self._over.set()

    def _watch(self, part: Part) -> None:
        deaths = 0
        while deaths < DEATHS_MAX:
            began = time.monotonic()
            if not self._wait_for_death(part):
                return
            if time.monotonic() - began > STEADY_SECONDS:
                deaths = 0
            deaths += 1
            pause = min(BACKOFF_SECONDS_MIN * 2 ** (deaths - 1), BACKOFF_SECONDS_MAX)
            self._say(f"{part.name} died (exit code {part.child.exit_code}); starting it again in {pause:g} s")
            if self._over.wait(pause):
                return
            try:
                if part.revive():
                    self._say(f"{part.name} is back")
            except CannotStart as error:
                if not self._over.is_set() and part.wanted:
                    self._say(str(error))
        self._say(f"{part.name} died {DEATHS_MAX} times in a row and stays down: see {part.log}")

    def _wait_for_death(self, part: Part) -> bool:
        """True once the part has died, False once the watch is over."""
        while not part.died:
            if self._over.wait(LOOK_SECONDS):
                return False
        return not self._over.is_set()
