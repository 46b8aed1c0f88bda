"""Brings every service's schema up to date, in one process: `python -m local.migrate`.

Each service has a `migrate` command of its own, which runs the same code; five processes that import a whole service
each would take longer than all else that `make up` does. `DATABASE_URL_<SERVICE>` in the environment is each one's
address; a service's migrations lie in its package. The exit code is 1, with a sentence for each, when any fails.
"""

import asyncio
import os
import sys

import asyncpg

from local.ports import SERVICES
from meshkit import logs
from meshkit.migrations import MigrationError, migrate

PREFIX = "DATABASE_URL_"


async def migrate_all() -> bool:
    """True when every schema is up to date now."""
    logs.configure("local", "INFO")
    return all(await asyncio.gather(*(_migrate(service) for service in SERVICES)))


async def _migrate(service: str) -> bool:
    try:
        await migrate(os.environ[PREFIX + service.upper()], schema=service, package=service)
    except (MigrationError, asyncpg.PostgresError) as error:
        print(f"{service}: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(migrate_all()) else 1)
