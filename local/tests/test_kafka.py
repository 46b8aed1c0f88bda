"""The embedded Kafka: what it keeps, what it refuses, what it says when it cannot start."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from local.errors import CannotStart
from local.kafka import KafkaBroker, create_topics
from local.ports import free_ports


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int = 12
    retention_ms: int | None = None


async def test_events_and_topics_are_there_after_a_crash_and_after_a_stop(state_folder: Path) -> None:
    port, controller_port = free_ports(2)
    broker = KafkaBroker(state_folder / "restarted", port, controller_port)
    broker.start()
    try:
        await create_topics(broker.bootstrap_servers, [Topic("kept", partitions=1)])
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all") as producer:
            await producer.send_and_wait("kept", b"before")
        broker.crash()
        assert broker.died
        broker.start()
        broker.stop()
        broker.start()
        await create_topics(broker.bootstrap_servers, [Topic("kept", partitions=1)])
        async with AIOKafkaConsumer(
            "kept", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            assert (await consumer.getone()).value == b"before"
    finally:
        broker.stop()


async def test_a_misspelt_topic_is_an_error_and_not_a_new_topic(kafka_broker: KafkaBroker) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_broker.bootstrap_servers, request_timeout_ms=1000, retry_backoff_ms=100
    ) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait("fte.tickets.incomming", b"lost")
    async with AIOKafkaConsumer(bootstrap_servers=kafka_broker.bootstrap_servers) as consumer:
        assert "fte.tickets.incomming" not in await consumer.topics()


async def test_a_topic_that_kafka_refuses_is_named(kafka_broker: KafkaBroker) -> None:
    with pytest.raises(CannotStart, match=r"refuses to make the topic not/allowed: InvalidTopicError"):
        await create_topics(kafka_broker.bootstrap_servers, [Topic("not/allowed")])


async def test_a_broker_that_does_not_answer_is_named_by_its_setting() -> None:
    with pytest.raises(CannotStart, match="KAFKA_BOOTSTRAP_SERVERS does not answer"):
        await create_topics(f"127.0.0.1:{free_ports(1)[0]}", [Topic("any")])


def test_a_missing_java_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="java is missing: install the package openjdk-17-jre-headless"):
        KafkaBroker(tmp_path / "kafka", *free_ports(2)).start()
