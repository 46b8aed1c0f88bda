"""How identity is put together: the only place that constructs."""

from fte import descriptors
from fte.access import ACCESS
from fte.identity.v1 import identity_service_pb2
from fte.identity.v1.identity_service_pb2_grpc import add_IdentityServiceServicer_to_server
from identity.api import IdentityApi
from identity.operations import Operations
from identity.settings import Settings
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.server import Door
from meshkit.service import Service


def build(settings: Settings) -> Service:
    """Returns identity, ready to run."""
    database = Database.of(settings)
    outbox = Outbox("/fte/identity")
    operations = Operations(database, outbox, SystemClock())
    api = IdentityApi(operations, PageTokens(settings.page_token_key), settings.default_phone_region)
    return Service(
        name="identity",
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_IdentityServiceServicer_to_server,
                api,
                identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
            )
        ],
        access=ACCESS,
        contracts=descriptors.load(),
        migrations="identity",
    )
