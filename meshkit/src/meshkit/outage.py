"""What the service needs and cannot reach: said once, repeated as an alert every minute, and when it is over."""

from __future__ import annotations

import time

from meshkit import logs, metrics

_ALERT_SECONDS = 60.0


class Outages:
    """Which of a consumer's own dependencies (`postgres`, `kafka`) are away, and since when."""

    def __init__(self, consumer: str, *, alert_seconds: float = _ALERT_SECONDS) -> None:
        self._consumer = consumer
        self._alert_seconds = alert_seconds
        self._since: dict[str, float] = {}
        self._alerted: dict[str, float] = {}

    def __contains__(self, dependency: str) -> bool:
        return dependency in self._since

    def noticed(self, dependency: str, error: BaseException) -> None:
        """It is away (still): logs the beginning as a warning, and an error for each further minute."""
        now = time.monotonic()
        if dependency not in self._since:
            self._since[dependency] = self._alerted[dependency] = now
            metrics.CONSUMER_WAITING.set(1)
            logs.get().warning("consumer.waiting", consumer=self._consumer, state=dependency, error=error)
        elif now - self._alerted[dependency] >= self._alert_seconds:
            self._alerted[dependency] = now
            seconds = round(now - self._since[dependency])
            logs.get().error("consumer.still_waiting", consumer=self._consumer, state=dependency, seconds=seconds)

    def over(self, dependency: str) -> None:
        """It answers again."""
        began = self._since.pop(dependency, None)
        if began is not None:
            metrics.CONSUMER_WAITING.set(1 if self._since else 0)
            seconds = round(time.monotonic() - began, 1)
            logs.get().info("consumer.resumed", consumer=self._consumer, state=dependency, seconds=seconds)
