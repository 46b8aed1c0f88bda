"""The ports of a mesh: the fixed ones of the embedded default, or free ones for a test."""

import random
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from local.errors import CannotStart

HOST = "127.0.0.1"
SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
LOOK_SECONDS = 0.1
OFFSET_MAX = 24_000
# Below the range that Linux takes the near end of outgoing connections from (ip_local_port_range): a port that a
# stopped service will want again cannot be lost to a connection in between.
FREE_RANGE = range(10_000, 32_768)


@dataclass(frozen=True)
class Ports:
    """Which port each part listens on, always on 127.0.0.1."""

    gateway: int
    gateway_admin: int
    postgres: int
    kafka: int
    kafka_controller: int
    twilio: int
    google: int
    openai: int
    grpc: Mapping[str, int]
    metrics: Mapping[str, int]

    @classmethod
    def fixed(cls, offset: int = 0) -> "Ports":
        """The documented ports, all shifted by `offset`."""
        return cls(
            gateway=8080 + offset,
            gateway_admin=7090 + offset,
            postgres=7432 + offset,
            kafka=7092 + offset,
            kafka_controller=7093 + offset,
            twilio=7201 + offset,
            google=7202 + offset,
            openai=7203 + offset,
            grpc={service: 7001 + place + offset for place, service in enumerate(SERVICES)},
            metrics={service: 7101 + place + offset for place, service in enumerate(SERVICES)},
        )

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing listens on at this moment."""
        found = iter(free_ports(8 + 2 * len(SERVICES)))
        return cls(
            gateway=next(found),
            gateway_admin=next(found),
            postgres=next(found),
            kafka=next(found),
            kafka_controller=next(found),
            twilio=next(found),
            google=next(found),
            openai=next(found),
            grpc={service: next(found) for service in SERVICES},
            metrics={service: next(found) for service in SERVICES},
        )

    def each(self) -> Iterator[tuple[str, int]]:
        """Every port with the words for what uses it."""
        yield "the gateway", self.gateway
        yield "the gateway's admin page", self.gateway_admin
        yield "PostgreSQL", self.postgres
        yield "Kafka", self.kafka
        yield "Kafka's controller", self.kafka_controller
        yield "the simulated Twilio", self.twilio
        yield "the simulated Google", self.google
        yield "the simulated OpenAI", self.openai
        for service, port in self.grpc.items():
            yield f"{service} (gRPC)", port
        for service, port in self.metrics.items():
            yield f"{service} (metrics)", port

    def require_free(self, wait_seconds: float = 0) -> None:
        """Raise `CannotStart` naming the first port that somebody still listens on after the wait."""
        deadline = time.monotonic() + wait_seconds
        for use, port in self.each():
            while not is_free(port):
                if time.monotonic() >= deadline:
                    raise CannotStart(
                        f"Port {port}, which {use} needs, is in use: stop what listens there, "
                        "or set FTE_PORT_OFFSET (for example 1000) to shift every port of this mesh"
                    )
                time.sleep(LOOK_SECONDS)


def parse_offset(text: str) -> int:
    """`FTE_PORT_OFFSET` as a number: a multiple of 1000 from 0 to 24000."""
    if text.isascii() and text.isdigit() and int(text) % 1000 == 0 and int(text) <= OFFSET_MAX:
        return int(text)
    raise CannotStart(f"FTE_PORT_OFFSET is {text!r}: set it to a multiple of 1000 from 0 to {OFFSET_MAX}")


def is_free(port: int) -> bool:
    """Whether this process could listen on the port now."""
    with socket.socket() as probe:
        # As every server does, so that connections in TIME_WAIT do not count as somebody listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            # Binding alone succeeds beside a listener that also set SO_REUSEADDR but has not yet called listen.
            probe.listen(1)
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody accepts connections on the port now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on."""
    candidates = random.SystemRandom().sample(FREE_RANGE, len(FREE_RANGE))
    return list(islice(filter(is_free, candidates), count))
