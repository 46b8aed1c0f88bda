"""How knowledge is put together: the only place that constructs."""

from functools import partial

from fte import descriptors
from fte.access import ACCESS
from fte.knowledge.v1 import knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import add_KnowledgeServiceServicer_to_server
from knowledge.api import KnowledgeApi
from knowledge.operations import Operations
from knowledge.ranking.embed import Embedder
from knowledge.settings import Settings
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.server import Door
from meshkit.service import Service


def build(settings: Settings) -> Service:
    """Returns knowledge, ready to run. Raises EmbeddingModelUnknown."""
    database = Database.of(settings, vectors=True)
    outbox = Outbox("/fte/knowledge")
    embedder = Embedder(
        settings.embedding_model,
        threads=settings.embedding_threads,
        remembered=settings.questions_remembered,
        ahead=settings.embedded_ahead,
    )
    operations = Operations(database, outbox, SystemClock(), embedder, left_out=settings.embedding_left_out)
    return Service(
        name="knowledge",
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_KnowledgeServiceServicer_to_server,
                KnowledgeApi(operations, PageTokens(settings.page_token_key)),
                knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"],
            )
        ],
        access=ACCESS,
        contracts=descriptors.load(),
        migrations="knowledge",
        resources=[embedder],
        on_start=[
            partial(
                operations.import_documents,
                settings.context_dir,
                settings.context_documents,
                settings.context_questions,
                settings.context_open_questions,
            )
        ],
    )
