import pytest
from structlog.testing import capture_logs

from meshkit import metrics
from meshkit.outage import Outages


def waiting() -> float:
    return float(metrics.CONSUMER_WAITING._value.get())


def test_an_outage_is_said_once_and_its_end() -> None:
    outages = Outages("tickets")
    with capture_logs() as lines:
        outages.over("postgres")
        for _ in range(3):
            outages.noticed("postgres", OSError("an address"))
        assert waiting() == 1
        outages.noticed("kafka", OSError())
        outages.over("postgres")
        assert waiting() == 1
        outages.over("kafka")
        assert waiting() == 0
    assert [(line["event"], line["state"]) for line in lines] == [
        ("consumer.waiting", "postgres"),
        ("consumer.waiting", "kafka"),
        ("consumer.resumed", "postgres"),
        ("consumer.resumed", "kafka"),
    ]


def test_an_outage_that_lasts_becomes_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("meshkit.outage.time.monotonic", lambda: now)
    outages = Outages("tickets")
    with capture_logs() as lines:
        for _ in range(13):
            outages.noticed("postgres", OSError())
            now += 10
    alerts = [line for line in lines if line["log_level"] == "error"]
    assert [line["seconds"] for line in alerts] == [60, 120]
