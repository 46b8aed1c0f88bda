"""Every knob of the gateway."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port, for example 127.0.0.1:7001")
    return text


def _keys(text: str) -> str:
    try:
        written = text if text.lstrip().startswith("{") else Path(text).read_text()
        keys = json.loads(written)["keys"]
    except OSError:
        raise ValueError("names a file that cannot be read") from None
    except (ValueError, KeyError, TypeError):
        keys = []
    if not keys:
        raise ValueError('must be a JWKS with a key, {"keys": [{…}]}, or the path of a file with one')
    return written


def _with_page(folder: Path) -> Path:
    if not (folder / "index.html").is_file():
        raise ValueError("has no index.html: run make web")
    return folder


Address = Annotated[str, AfterValidator(_host_and_port)]


class SettingsError(Exception):
    """A setting is missing or wrong; the text names each and says what it should be."""


class GatewaySettings(BaseSettings):
    """Read from the environment when the configuration is rendered."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    gateway_host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(default=8080, description="Port of the web form, REST and gRPC.", ge=1, le=65535)
    gateway_admin_port: int = Field(
        default=8081, description="Port of Envoy's own pages; on loopback only.", ge=1, le=65535
    )
    identity_address: Address = Field(default="127.0.0.1:7001", description="Where identity serves, host:port.")
    tickets_address: Address = Field(default="127.0.0.1:7002", description="Where the desk serves, host:port.")
    knowledge_address: Address = Field(default="127.0.0.1:7003", description="Where knowledge serves, host:port.")
    agent_address: Address = Field(default="127.0.0.1:7004", description="Where the agent serves, host:port.")
    channels_address: Address = Field(default="127.0.0.1:7005", description="Where channels serves, host:port.")
    staff_jwt_issuer: str = Field(default="https://fte.local", description="`iss` of staff tokens.")
    staff_jwt_audience: str = Field(default="fte", description="`aud` of staff tokens.")
    staff_jwks: Annotated[str, AfterValidator(_keys)] = Field(
        description="Public keys of staff tokens: a JWKS as JSON, or the path of a file with one; read once, here."
    )
    web_form_dir: Annotated[Path, AfterValidator(_with_page)] = Field(
        description="Folder of the built web form, with its index.html."
    )
    gateway_trusted_hops: int = Field(
        default=0,
        ge=0,
        le=10,
        description="How many proxies in front may be believed when they say whom they speak for.",
    )
    gateway_requests_per_second: int = Field(
        default=100,
        ge=0,
        description="Requests from one address (IPv6: from one /64) in a second; 0 for no limit, webhooks included.",
    )
    gateway_webhooks_per_second: int = Field(
        default=1000,
        ge=1,
        description="Webhook calls from one address in a second: a provider has few, and speaks for all customers.",
    )
    gateway_timeout_seconds: int = Field(default=10, ge=1, le=60, description="How long a REST call may take.")
    gateway_body_bytes_max: int = Field(
        # A message of 10 000 characters, each escaped as a surrogate pair, and the other fields beside it.
        default=131_072,
        ge=1024,
        description="Largest body of a REST call, in bytes.",
    )
    gateway_staff_body_bytes_max: int = Field(
        # A policy of 300 000 characters, with what JSON escapes of them.
        default=524_288,
        ge=1024,
        description="Largest body of a REST call that only staff may make, in bytes.",
    )
    gateway_webhook_bytes_max: int = Field(
        default=65_536, ge=1024, description="Largest body of a webhook, in bytes; the contract says 64 KiB."
    )

    def address(self, service: str) -> tuple[str, int]:
        """Host and port of one service."""
        host, _, port = str(getattr(self, f"{service}_address")).rpartition(":")
        return host, int(port)


def load() -> GatewaySettings:
    """The settings of this process's environment. Raises SettingsError, with names and never with values."""
    try:
        # The environment fills what has no default; the type checker cannot know.
        return GatewaySettings()  # type: ignore[call-arg]
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, each['loc'])).upper()} {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        ]
        raise SettingsError("; ".join(wrong)) from None
