"""The service's own Postgres: a bounded pool, transactions with hooks that run after their commit."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg
from pgvector.asyncpg import register_vector

from meshkit import metrics
from meshkit.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from meshkit.settings import ServiceSettings

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection
"""What `store.py` functions take: a connection of the pool, or one opened directly."""

Hook: TypeAlias = Callable[[], None]


class _Transaction:
    """What waits for a transaction's commit; a dict, because a set would not keep the order."""

    __slots__ = ("database", "hooks")

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hooks: dict[Hook, None] = {}


_transaction: contextvars.ContextVar[_Transaction | None] = contextvars.ContextVar("transaction", default=None)

# Postgres is away, going away, or refusing work for want of room: whatever was asked may be asked again later.
_ABSENT = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A failed-over primary answers reads, and refuses writes, until the name points to the new one.
    asyncpg.ReadOnlySQLTransactionError,
)

# As "not currently accepting connections". Raised by a statement, the same code says that the statement was wrong.
_CLOSED_DATABASE = asyncpg.ObjectNotInPrerequisiteStateError


class DatabaseUnavailable(Unavailable):
    """The service's own Postgres cannot be used now; nothing was committed unless the commit itself was cut off."""


def is_absence(error: BaseException) -> bool:
    """Whether this error says that Postgres is away, rather than that it was asked something wrong.

    A `TimeoutError` is not absence, although Python counts it among the `OSError`s: the statement may be what is slow.
    """
    if isinstance(error, _ABSENT):
        return True
    # asyncpg reports a connection lost between two statements as a misuse of its interface.
    return isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)


def on_commit(callback: Hook) -> None:
    """Run the callback once after the current transaction has committed; never if it rolls back.

    Outside `Database.transaction` it does nothing: there is no commit to wait for. Registering the same callback
    again within one transaction still runs it once. Callbacks must be quick and must not raise.
    """
    transaction = _transaction.get()
    if transaction is not None:
        transaction.hooks[callback] = None


def announce_on_commit() -> None:
    """Tell the listeners of the current transaction's database, once it has committed, that the outbox has grown."""
    transaction = _transaction.get()
    if transaction is not None:
        transaction.hooks[transaction.database.announce] = None


class Database:
    """Connections and transactions to the service's own schema.

    The search path comes from the login role; `schema` overrides it where one role owns several (tests, tools).
    Every wait is bounded by `timeout_seconds`: for a free connection, for connecting, and for each statement.
    With `vectors`, pgvector's types of the schema `ext` are read and written as numpy arrays.

    Errors: `DatabaseUnavailable` when Postgres is away, lets nobody in, or no connection came free in time;
    `TimeoutError` when a statement took too long; every other error of asyncpg as it is.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pool_min: int = 2,
        pool_max: int = 10,
        timeout_seconds: float = 5.0,
        schema: str | None = None,
        vectors: bool = False,
    ) -> None:
        self._dsn = dsn
        self.pool_min = pool_min
        self.pool_max = pool_max
        self.timeout_seconds = timeout_seconds
        self.schema = schema
        self._vectors = vectors
        self._listeners: list[Hook] = []
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    @classmethod
    def of(cls, settings: ServiceSettings, *, vectors: bool = False) -> Self:
        """The database of a service, as its settings say."""
        return cls(
            settings.database_url.get_secret_value(),
            pool_min=settings.database_pool_min,
            pool_max=settings.database_pool_max,
            timeout_seconds=settings.database_timeout_seconds,
            vectors=vectors,
        )

    async def open(self) -> None:
        """Connect `pool_min` connections, so that a wrong address or password shows at start."""
        settings = {} if self.schema is None else {"search_path": f'"{self.schema}", ext'}
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=self.pool_min,
                max_size=self.pool_max,
                timeout=self.timeout_seconds,
                command_timeout=self.timeout_seconds,
                server_settings=settings,
                init=self._prepare_connection,
                reset=_leave_as_is,
            )
        except TimeoutError as error:
            raise DatabaseUnavailable("the database did not answer in time") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if isinstance(error, OSError) or is_absence(error) or type(error) is _CLOSED_DATABASE:
                raise DatabaseUnavailable("the database cannot be reached") from error
            raise

    async def close(self) -> None:
        """Give connections in use `timeout_seconds` to come back, then cut them off."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), self.timeout_seconds)
        except TimeoutError:
            pool.terminate()

    def subscribe(self, listener: Hook) -> None:
        """Call the listener after each transaction of this process that wrote to the outbox."""
        self._listeners.append(listener)

    def announce(self) -> None:
        """Tell the listeners that the outbox has grown."""
        for listener in self._listeners:
            listener()

    @property
    def size(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size(), self._pool.get_idle_size()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction, for single statements that stand alone."""
        if self._pool is None:
            raise DatabaseUnavailable("the database is not open")
        began = time.perf_counter()
        try:
            connection = await self._pool.acquire(timeout=self.timeout_seconds)
        except TimeoutError as error:
            raise DatabaseUnavailable("no database connection came free in time") from error
        except OSError as error:
            raise DatabaseUnavailable("the database cannot be reached") from error
        except asyncpg.PostgresError as error:
            # Nothing was asked yet: whatever the server says, it does not let in those whom it let in at start. That
            # includes a password that is being changed and a role that may not log in for now.
            raise DatabaseUnavailable("the database cannot be used now") from error
        except asyncpg.InterfaceError as error:
            if is_absence(error):
                raise DatabaseUnavailable("the database cannot be used now") from error
            raise
        metrics.POOL_ACQUIRE_SECONDS.observe(time.perf_counter() - began)
        try:
            yield connection
        except (ConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if is_absence(error):
                raise DatabaseUnavailable("the database went away") from error
            raise
        finally:
            # A connection that broke cannot be given back; what broke it is already on its way to the caller.
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._pool.release(connection, timeout=self.timeout_seconds)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one transaction: commits at the end, rolls back on any exception, then runs the hooks."""
        async with self.connection() as connection:
            transaction = _Transaction(self)
            token = _transaction.set(transaction)
            try:
                async with connection.transaction():
                    yield connection
            finally:
                _transaction.reset(token)
        for hook in transaction.hooks:
            hook()

    async def _prepare_connection(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        # A process that is stopped in mid-transaction keeps its locks. The server ends that transaction, so that the
        # one who took over its work is not kept waiting.
        limit_ms = int(self.timeout_seconds * 2000)
        await connection.execute("select set_config('idle_in_transaction_session_timeout', $1, false)", str(limit_ms))
        if self._vectors:
            await register_vector(connection, schema="ext")


async def _leave_as_is(connection: Any) -> None:
    """Given back without a round trip: nobody changes session state on pooled connections, so none is to be undone."""
