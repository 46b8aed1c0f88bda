"""What every service of the mesh can be told from outside. Only a `settings.py` reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class SettingsError(Exception):
    """The environment does not hold what the service needs; the text names each variable and what it should be."""


class ServiceSettings(BaseSettings):
    """Settings that all services share; a service adds its own by subclassing. Names in the environment are upper-case.

    An empty variable counts as unset. A port of 0 lets the system choose a free one.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(
        description="where the service's own schema is: postgresql://role:password@host:port/database"
    )
    database_direct_url: SecretStr | None = Field(
        default=None,
        description="the same database without a pooler in between, for advisory locks; DATABASE_URL when unset",
    )
    database_pool_min: int = Field(default=2, ge=0, le=100, description="connections that are kept open")
    database_pool_max: int = Field(default=10, ge=1, le=100, description="connections at most")
    database_timeout_seconds: Seconds = Field(
        default=5.0, description="how long to wait for a connection or a statement"
    )

    kafka_bootstrap_servers: str = Field(min_length=1, description="one or more brokers: host:port,host:port")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how to talk to the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="how to sign in to the brokers"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the name to sign in to the brokers with")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="the password to sign in to the brokers with"
    )
    kafka_ssl_cafile: Path | None = Field(
        default=None, description="a PEM file of the authorities that sign the brokers"
    )

    grpc_host: str = Field(default="127.0.0.1", min_length=1, description="the address to serve gRPC on")
    grpc_port: Port = Field(description="the port to serve gRPC on")
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="the address to serve /metrics on")
    metrics_port: Port = Field(description="the port to serve /metrics on")
    drain_seconds: Seconds = Field(default=10.0, description="how long calls in flight may take after SIGTERM")
    drain_notice_seconds: float = Field(
        # The gateway asks once a second and believes the third answer.
        default=3.0,
        ge=0,
        le=60,
        description="how long to keep serving after health says NOT_SERVING, so that every health check has noticed",
    )
    message_bytes_max: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="the largest gRPC message, in bytes, in and out",
    )
    concurrent_rpcs_max: int = Field(
        default=1000, ge=1, le=100_000, description="calls in flight at most; further ones get RESOURCE_EXHAUSTED"
    )
    default_deadline_seconds: Seconds = Field(default=10.0, description="the deadline of a call that brings none")
    deadline_max_seconds: Seconds = Field(default=60.0, description="the longest deadline a caller is granted")

    page_token_key: SecretStr = Field(
        min_length=16, description="at least 16 characters, the same for all replicas: it signs page tokens"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="how much to log")
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="where traces go by OTLP over gRPC: http://host:4317; none are made when unset"
    )

    service_key_file: Path | None = Field(
        default=None, description="a PEM file with the service's own EC P-256 private key, which signs its tokens"
    )
    service_token_file: Path | None = Field(
        default=None, description="a file with a token for the service (projected by Kubernetes); it wins over the key"
    )
    service_jwks: str = Field(min_length=2, description="the services' public keys: a JWKS as JSON, or a path to one")
    service_jwt_issuer: str = Field(
        default="https://fte.local/services", min_length=1, description="who issues the services' tokens"
    )
    service_jwt_audience: str = Field(default="fte", min_length=1, description="whom the services' tokens are for")
    service_account_namespace: str | None = Field(
        default=None,
        description="the Kubernetes namespace whose service accounts are our services; "
        "unset: each service signs for itself, with a key whose id is its name",
    )
    staff_jwt_issuer: str = Field(default="https://fte.local", min_length=1, description="who issues people's tokens")
    staff_jwt_audience: str = Field(default="fte", min_length=1, description="whom people's tokens are for")
    staff_jwks: str = Field(min_length=2, description="the company's public keys: a JWKS as JSON, or a path to one")

    @model_validator(mode="after")
    def _pool_has_room(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise ValueError("DATABASE_POOL_MIN must not be above DATABASE_POOL_MAX")
        return self

    @model_validator(mode="after")
    def _deadlines_fit(self) -> Self:
        if self.default_deadline_seconds > self.deadline_max_seconds:
            raise ValueError("DEFAULT_DEADLINE_SECONDS must not be above DEADLINE_MAX_SECONDS")
        return self

    def direct_url(self) -> str:
        """The database's address for what needs a session of its own: advisory locks, migrations."""
        return (self.database_direct_url or self.database_url).get_secret_value()


S = TypeVar("S", bound=BaseSettings)


def load(settings_type: type[S]) -> S:
    """The settings from the environment.

    Raises SettingsError whose text names every variable that is missing or invalid and says what it should be.
    It never shows a value: it may be a secret.
    """
    try:
        return settings_type()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [_explained(settings_type, problem["loc"], problem["type"], problem["msg"]) for problem in found]
    except SourceError as error:
        # Raised before validation, for a list or mapping that is not JSON; its text names the field, not the value.
        raise SettingsError(f"the environment is not complete:\n  {error}") from None
    # Outside the handler, so that no traceback carries pydantic's own error, which prints the values.
    raise SettingsError("the environment is not complete:\n" + "\n".join(f"  {line}" for line in lines))


def _explained(settings_type: type[BaseSettings], location: tuple[int | str, ...], kind: str, text: str) -> str:
    if not location:
        return text.removeprefix("Value error, ")
    name = str(location[0])
    field = settings_type.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None and field.description else ""
    if kind == "missing":
        return f"{name.upper()} is missing{meaning}"
    text = text.removeprefix("Value error, ")
    return f"{name.upper()} is not valid: {text[:1].lower()}{text[1:]}{meaning}"
