"""Another door to the same mesh, as strict as a test needs it: the journeys' own lets everything through."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.envoy import Gateway
from local.mesh import Mesh
from local.paths import WEB_FORM
from local.ports import HOST, free_ports
from local.services import Service

MESSAGES_PER_ADDRESS = 10
REQUESTS_PER_SECOND = 20


@contextmanager
def another(mesh: Mesh, name: str, **settings: str) -> Iterator[Service]:
    """One more replica of a service, with settings of its own."""
    port, metrics_port = free_ports(2)
    environment = {
        **mesh.environment_of(name),
        "GRPC_PORT": str(port),
        "METRICS_PORT": str(metrics_port),
        **settings,
    }
    service = Service(name, port, environment, mesh.state / "logs" / f"{name}-strict.log")
    service.start()
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def strict_door(mesh: Mesh) -> Iterator[str]:
    """The address of a gateway with a low rate, before channels with a low cap; it believes `X-Forwarded-For`."""
    caps = {"MESSAGES_PER_ADDRESS_HOUR": str(MESSAGES_PER_ADDRESS), "MESSAGES_PER_SENDER_HOUR": "0"}
    with another(mesh, "channels", **caps) as channels:
        port, admin_port = free_ports(2)
        environment = {
            **mesh.environment_of("channels"),
            "WEB_FORM_DIR": str(WEB_FORM),
            "GATEWAY_PORT": str(port),
            "GATEWAY_ADMIN_PORT": str(admin_port),
            "GATEWAY_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
            "GATEWAY_TRUSTED_HOPS": "1",
            "CHANNELS_ADDRESS": channels.address,
        }
        gateway = Gateway(
            mesh.state / "envoy-strict", port, admin_port, environment, mesh.state / "logs" / "gateway-strict.log"
        )
        gateway.start()
        try:
            yield f"http://{HOST}:{port}"
        finally:
            gateway.stop()
