"""A whole mesh on this machine, as an object: for `make up`, for the journeys and for the benches."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from fte.topics import TOPICS
from local import migrate
from local.asyncs import run_blocking
from local.credentials import Credentials
from local.envoy import Gateway
from local.errors import CannotStart
from local.kafka import KafkaBroker, create_topics
from local.parts import Part
from local.paths import CONTEXT, WEB_FORM, embedded_ahead
from local.ports import HOST, SERVICES, Ports
from local.postgres import Postgres
from local.processes import spawn
from local.providers import Providers, Simulators
from local.provision import create_database, provision, service_dsn
from local.services import Service

DATABASE = "fte"
MIGRATE_SECONDS = 120
FREE_BYTES_MIN = 512 * 1024 * 1024

Announce = Callable[[str, float], None]
"""Told each step that is done, and the seconds it took."""


class Mesh:
    """PostgreSQL, Kafka, the simulated providers, the five services and the gateway, with their state in one folder.

    `environment` is what an operator sets: it wins over every default. With `DATABASE_URL` or
    `KAFKA_BOOTSTRAP_SERVERS` in it, that server is used and none of our own is started; `local.providers` says when a
    provider is simulated. Nothing is started again by
    itself; `local.supervision` does that. Of the services only those in `services` are started.
    """

    def __init__(
        self,
        state: Path,
        *,
        ports: Ports | None = None,
        environment: Mapping[str, str] | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        services: Sequence[str] = SERVICES,
        announce: Announce = lambda step, seconds: None,
    ) -> None:
        self.state = state.resolve()
        self.ports = ports or Ports.free()
        # As the services read it: an empty variable is one that is not set.
        given = os.environ if environment is None else environment
        self._environment = {name: value for name, value in given.items() if value}
        self._announce = announce
        self._names = tuple(services)
        self._make_folders()
        self.credentials = Credentials(self.state / "secrets", SERVICES)
        self._passwords = self.credentials.passwords(SERVICES)
        self.postgres = (
            None
            if "DATABASE_URL" in self._environment
            else Postgres(
                self.state / "postgres",
                self.ports.postgres,
                log=self._log("postgres"),
                settings=postgres_settings,
            )
        )
        self.kafka = (
            None
            if "KAFKA_BOOTSTRAP_SERVERS" in self._environment
            else KafkaBroker(
                self.state / "kafka", self.ports.kafka, self.ports.kafka_controller, log=self._log("kafka")
            )
        )
        self.providers = Providers(self.credentials, self.ports, self._environment, self._public_url)
        self.simulators = self._simulators() if self.providers.simulated else None
        self.services: Mapping[str, Service] = {}
        self.gateway = self._gateway()

    @property
    def url(self) -> str:
        """The gateway's address: the web form, REST, and gRPC for internal teams."""
        return f"http://{HOST}:{self.ports.gateway}"

    @property
    def _public_url(self) -> str:
        return self._environment.get("PUBLIC_URL", self.url)

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka is."""
        return self.kafka.bootstrap_servers if self.kafka else self._environment["KAFKA_BOOTSTRAP_SERVERS"]

    @property
    def staff_token_file(self) -> Path:
        """The file with a staff token; it is there unless `STAFF_JWKS` names somebody else's keys."""
        return self.state / "staff.jwt"

    @property
    def parts(self) -> list[Part]:
        """Every part that was started, in the order of starting."""
        every: list[Part | None] = [
            self.postgres,
            self.kafka,
            self.simulators,
            *self.services.values(),
            self.gateway,
        ]
        return [part for part in every if part is not None]

    def dsn(self, service: str) -> str:
        """The database as a service's own role sees it."""
        return service_dsn(self._admin_dsn("DATABASE_URL"), service, self._passwords[service])

    def start(self) -> None:
        """Start everything and return once it answers.

        Raises `CannotStart` with one sentence for the person at the terminal; nothing runs then.
        """
        try:
            self._require_disk()
            self._write_staff_token()
            self._together(self._start_database, self._start_kafka, self._start_simulators)
            parts: list[tuple[Part, int]] = [(service, service.port) for service in self.services.values()]
            parts.append((self.gateway, self.gateway.port))
            self._together(*(self._starting(part, port) for part, port in parts))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything in good order, from the door to PostgreSQL. May be called twice."""
        stages: list[list[Part]] = [
            [self.gateway],
            list(self.services.values()),
            [self.simulators] if self.simulators else [],
            [self.kafka] if self.kafka else [],
            [self.postgres] if self.postgres else [],
        ]
        for stage in stages:
            if stage:
                with ThreadPoolExecutor(len(stage)) as pool:
                    list(pool.map(Part.stop, stage))

    def kill(self, service: str) -> None:
        """End a service at once (SIGKILL)."""
        self.services[service].crash()

    def restart(self, service: str) -> None:
        """Start a service again, stopping it first in good order if it runs, and return once it is ready."""
        self.services[service].stop()
        self.services[service].start()

    def _make_folders(self) -> None:
        for folder in (self.state, self.state / "logs"):
            folder.mkdir(parents=True, exist_ok=True)

    def _require_disk(self) -> None:
        if shutil.disk_usage(self.state).free < FREE_BYTES_MIN:
            raise CannotStart(
                f"Less than 512 MB are free on the disk of {self.state}: "
                "make room, or name a folder on another disk with FTE_STATE_DIR"
            )

    def _write_staff_token(self) -> None:
        if "STAFF_JWKS" in self._environment:
            # Ours would be refused: better none than one that is.
            self.staff_token_file.unlink(missing_ok=True)
            return
        self.credentials.renew_staff_token(
            self.staff_token_file,
            issuer=self._environment.get("STAFF_JWT_ISSUER", "https://fte.local"),
            audience=self._environment.get("STAFF_JWT_AUDIENCE", "fte"),
        )

    def _start_database(self) -> None:
        if self.postgres is not None:
            self._timed(f"PostgreSQL listens on {self.ports.postgres}", self.postgres.start)
            run_blocking(create_database(self.postgres.dsn(), DATABASE))
        self._timed(
            "every service has its own role and schema",
            lambda: run_blocking(provision(self._admin_dsn("DATABASE_DIRECT_URL"), self._passwords)),
        )
        self.services = {
            name: Service(name, self.ports.grpc[name], self.environment_of(name), self._log(name))
            for name in self._names
        }
        self._timed("every schema is up to date", self._migrate)

    def _migrate(self) -> None:
        addresses = {
            migrate.PREFIX + name.upper(): self.environment_of(name).get("DATABASE_DIRECT_URL", self.dsn(name))
            for name in SERVICES
        }
        child = spawn(
            "migrations",
            [sys.executable, "-m", migrate.__name__],
            environment={**self._environment, **addresses},
            log=self._log("migrations"),
            working_directory=self.state,
        )
        if child.wait(MIGRATE_SECONDS) != 0:
            child.stop(grace_seconds=1)
            raise CannotStart(f"A schema could not be brought up to date: see {child.log}")

    def _start_kafka(self) -> None:
        if self.kafka is not None:
            self._timed(f"Kafka listens on {self.ports.kafka}", self.kafka.start)
        self._timed(
            f"Kafka has its {len(TOPICS)} topics",
            lambda: run_blocking(create_topics(self.bootstrap_servers, TOPICS.values())),
        )

    def _start_simulators(self) -> None:
        if self.simulators is not None:
            self._timed(f"simulators listen: {self.simulators.addresses}", self.simulators.start)

    def _admin_dsn(self, variable: str) -> str:
        if self.postgres is not None:
            return self.postgres.dsn(DATABASE)
        return self._environment.get(variable, self._environment["DATABASE_URL"])

    def _shared_environment(self) -> dict[str, str]:
        """What all services and the gateway are told alike: our defaults, and the operator's word over them."""
        defaults = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            **{f"{name.upper()}_ADDRESS": f"{HOST}:{self.ports.grpc[name]}" for name in SERVICES},
            "STATUS_TOKEN_KEY": self.credentials.secret("status_token_key"),
            "PAGE_TOKEN_KEY": self.credentials.secret("page_token_key"),
            "SERVICE_JWKS": str(self.credentials.services_jwks),
            "STAFF_JWT_ISSUER": "https://fte.local",
            "STAFF_JWT_AUDIENCE": "fte",
            "STAFF_JWKS": str(self.credentials.staff_jwks),
            "PUBLIC_URL": self._public_url,
            "CONTEXT_DIR": str(CONTEXT),
            # Empty is unset: what nobody embedded ahead is embedded at the start.
            "EMBEDDED_AHEAD": str(embedded_ahead() or ""),
            "LOG_LEVEL": "INFO",
            # Everything stops together here: nobody is left whose health checks should notice first.
            "DRAIN_NOTICE_SECONDS": "0",
            # A killed process takes what it had not yet written with it, and that is the part one wants to read.
            "PYTHONUNBUFFERED": "1",
        }
        return {**defaults, **self._environment}

    def environment_of(self, name: str) -> dict[str, str]:
        """Everything a service is told: our defaults, the operator's word over them, and what is its own alone."""
        # What one service alone is told; an operator's single value could not be right for all five.
        own = {
            "DATABASE_URL": self.dsn(name),
            "GRPC_PORT": str(self.ports.grpc[name]),
            "METRICS_PORT": str(self.ports.metrics[name]),
            "SERVICE_KEY_FILE": str(self.credentials.service_key_file(name)),
        }
        if "DATABASE_DIRECT_URL" in self._environment:
            direct = self._admin_dsn("DATABASE_DIRECT_URL")
            own["DATABASE_DIRECT_URL"] = service_dsn(direct, name, self._passwords[name])
        # A provider's credentials are for channels alone.
        providers = {"channels": self.providers.environment, "agent": self.providers.model}.get(name, {})
        return {**providers, **self._shared_environment(), **own}

    def _simulators(self) -> Simulators:
        environment = {
            **self.providers.environment,
            **self.providers.model,
            "PUBLIC_URL": self._public_url,
            **self._environment,
            "GATEWAY_URL": self.url,
            "PYTHONUNBUFFERED": "1",
        }
        return Simulators(self.ports, self.providers, environment, self._log("simulators"))

    def _gateway(self) -> Gateway:
        environment = {
            "WEB_FORM_DIR": str(WEB_FORM),
            **self._shared_environment(),
            "GATEWAY_PORT": str(self.ports.gateway),
            "GATEWAY_ADMIN_PORT": str(self.ports.gateway_admin),
        }
        return Gateway(
            self.state / "envoy", self.ports.gateway, self.ports.gateway_admin, environment, self._log("gateway")
        )

    def _log(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def _starting(self, part: Part, port: int) -> Callable[[], None]:
        return lambda: self._timed(f"{part.name} listens on {port}", part.start)

    def _timed(self, text: str, action: Callable[[], None]) -> None:
        began = time.monotonic()
        action()
        self._announce(text, time.monotonic() - began)

    def _together(self, *actions: Callable[[], None]) -> None:
        """Do all at once; the first failure stops the whole mesh and is raised."""
        pool = ThreadPoolExecutor(len(actions), thread_name_prefix="starter")
        futures: list[Future[None]] = [pool.submit(action) for action in actions]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            # Ends the starts that are still under way; the second call, those that began in between.
            self.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            self.stop()
            raise
        pool.shutdown()
