"""Times on the wire: google.protobuf.Timestamp and aware datetimes."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(time: datetime) -> Timestamp:
    """The time as protobuf carries it. Raises ValueError for a time without a zone: nobody knows which moment it is."""
    if time.tzinfo is None:
        raise ValueError("a time on the wire needs its zone")
    message = Timestamp()
    message.FromDatetime(time)
    return message


def moment(message: Timestamp) -> datetime:
    """The time that protobuf carried, aware and in UTC, to the microsecond."""
    return message.ToDatetime(UTC)
