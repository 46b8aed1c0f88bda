"""Apache Kafka, one node in KRaft mode (broker and controller in one process), run by `java` from its jars."""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from local.asyncs import run_blocking
from local.errors import CannotStart
from local.parts import Part
from local.paths import BUILD, ROOT
from local.ports import HOST, answers
from local.processes import Child, find_program, spawn

FORMAT_SECONDS = 60
REQUEST_MILLISECONDS = 10_000
JAVA_OPTIONS = (
    "-server",
    "-Xms384m",
    "-Xmx384m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


class Topic(Protocol):
    """What we need to know of a topic to make it."""

    @property
    def name(self) -> str: ...

    @property
    def partitions(self) -> int: ...

    @property
    def retention_ms(self) -> int | None: ...


class KafkaBroker(Part):
    """One broker with its own folder and ports; the folder is made on the first start and kept."""

    stop_seconds = 20

    def __init__(self, directory: Path, port: int, controller_port: int, *, log: Path | None = None) -> None:
        self._directory = directory.resolve()
        super().__init__("Kafka", log or self._directory / "kafka.log")
        self.port = port
        self.controller_port = controller_port

    @property
    def bootstrap_servers(self) -> str:
        """The address that clients are given."""
        return f"{HOST}:{self.port}"

    def create_topics(self, topics: Iterable[Topic]) -> None:
        """Make the topics that are not there yet: `create_topics` for callers outside an event loop."""
        run_blocking(create_topics(self.bootstrap_servers, topics))

    def remove(self) -> None:
        """Delete the data of a broker that is not running."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _spawn(self) -> Child:
        java = find_program("java", package="openjdk-17-jre-headless")
        if not (BUILD / "kafka" / "libs").is_dir():
            raise CannotStart("Kafka's jars are missing: run make kafka")
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = self._write_settings()
        command = [
            java,
            *JAVA_OPTIONS,
            f"-Dlog4j2.configurationFile={ROOT / 'local' / 'kafka' / 'log4j2.properties'}",
            "-cp",
            f"{BUILD / 'kafka' / 'libs'}/*",
        ]
        self._format_storage(command, settings)
        return spawn(
            self.name,
            [*command, "kafka.Kafka", settings],
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            log=self.log,
            working_directory=self._directory,
        )

    def _ready(self) -> bool:
        # The port first: a client's failing connection costs more, and each writes an error to the log.
        return answers(self.port) and run_blocking(_serves(self.bootstrap_servers))

    @property
    def _storage(self) -> Path:
        return self._directory / "storage"

    def _write_settings(self) -> Path:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "log.dirs": str(self._storage),
            # Topics are made from one table of the code: a misspelt name is an error, not a new topic.
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "12",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A crashed broker is let in again only once its old session is over; the default makes that 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # Sized for a heap of 384 MB; the default cleaner alone takes 128 MB of it.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
        }
        written = self._directory / "server.properties"
        written.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return written

    def _format_storage(self, command: list[str], settings: Path) -> None:
        if (self._storage / "meta.properties").exists():
            return
        shutil.rmtree(self._storage, ignore_errors=True)
        # A cluster id is a UUID in unpadded base64.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        result = subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", str(settings)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FORMAT_SECONDS,
        )
        if result.returncode != 0:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.write_text(result.stdout)
            raise CannotStart(f"Kafka could not format its storage {self._storage}: see {self.log}")


async def create_topics(bootstrap_servers: str, topics: Iterable[Topic]) -> None:
    """Make the topics that are not there yet; those that are stay as they are.

    `CannotStart` names a topic that the cluster refuses to make.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_MILLISECONDS)
    try:
        await client.start()
        missing = _missing(topics, set(await client.list_topics()))
        if missing:
            response = await client.create_topics(missing, timeout_ms=REQUEST_MILLISECONDS)
            for name, code, *_ in response.topic_errors:
                error = for_code(code)
                # Another supervisor may have made it in between.
                if code != 0 and error is not TopicAlreadyExistsError:
                    raise CannotStart(f"Kafka refuses to make the topic {name}: {error.__name__}")
    except KafkaError as error:
        raise CannotStart("Kafka at KAFKA_BOOTSTRAP_SERVERS does not answer: check its host and port") from error
    finally:
        await client.close()


def _missing(topics: Iterable[Topic], present: set[str]) -> list[NewTopic]:
    return [
        NewTopic(
            name=topic.name,
            num_partitions=topic.partitions,
            # The broker's default: 1 for the embedded broker, the operator's choice elsewhere.
            replication_factor=-1,
            replica_assignments={},
            topic_configs={} if topic.retention_ms is None else {"retention.ms": str(topic.retention_ms)},
        )
        for topic in topics
        if topic.name not in present
    ]


async def _serves(bootstrap_servers: str) -> bool:
    """Whether consumer groups can work: the first question for a coordinator makes the broker's own topic for them."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=1000)
    try:
        await client.start()
        await client.find_coordinator("fte")
    except KafkaError:
        return False
    finally:
        await client.close()
    return True
