from identity.store import QUERIES
from local.fixtures import MakeDatabase
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.testing import prepare_all


async def test_every_query_fits_the_schema(make_database: MakeDatabase) -> None:
    dsn = make_database("identity")
    await migrate(dsn, schema="identity", package="identity")
    database = Database(dsn)
    await database.open()
    async with database.connection() as connection:
        await prepare_all(QUERIES, connection)
    await database.close()
