"""The agent's Kafka door: one function for each fact."""

from agent import wire
from agent.model import Burst, Run
from agent.operations import Answers
from fte import topics
from fte.tickets.v1.tickets_events_pb2 import MessageFiled
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.envelope import Received
from meshkit.subscription import Subscription
from meshkit.timestamps import moment


def on_message_filed(
    answers: Answers, burst: Burst, clock: Clock, *, concurrency: int, prepare_timeout_seconds: float
) -> Subscription[MessageFiled, Run]:
    """Answers each message that the desk has filed, once a burst is over, and keeps the record of the run.

    The thinking and the command to the desk are the half that may run again; the record is written once.
    """

    def hold_seconds(received: Received[MessageFiled]) -> float:
        filed = received.message
        return burst.hold_seconds(wire.channel_from_wire(filed.channel), moment(filed.file_time), clock.now())

    async def prepare(received: Received[MessageFiled]) -> Run:
        return await answers.answer(wire.filed_from_wire(received.id, received.message))

    async def apply(connection: Connection, _received: Received[MessageFiled], run: Run) -> None:
        await answers.record_run(connection, run)

    return Subscription(
        topic=topics.MESSAGES.name,
        message=MessageFiled,
        prepare=prepare,
        apply=apply,
        dead_letter_topic=topics.DEAD_LETTERS.name,
        hold_seconds=hold_seconds,
        concurrency=concurrency,
        prepare_timeout_seconds=prepare_timeout_seconds,
    )
