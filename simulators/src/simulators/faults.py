"""Failing on request: which of a simulator's operations fails next, how, and how often.

The control API is the same for every simulator:

    POST   /_control/faults   one fault or a list of them, as JSON; answers with all that are set
    GET    /_control/faults   all that are set, with how often each has struck
    DELETE /_control/faults   no faults any more
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.serving import ConnectionReset

FAULTS_MAX = 100
EVERY_OPERATION = "*"

Endpoint = Callable[[Request], Awaitable[Response]]


class Kind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The answer, or the webhook, takes `seconds` longer; other faults strike besides."""
    LATENCY_AFTER = "latency_after"
    """Done at once, and answered `seconds` later: what follows from it may overtake the answer."""
    STATUS = "status"
    """Answered with `status` and the provider's `code`, and nothing done."""
    STATUS_AFTER = "status_after"
    """Done, and answered with `status` as if it were not."""
    RESET_BEFORE = "reset_before"
    """The request is read, the connection is reset, and nothing done: whoever made it cannot tell from RESET_AFTER."""
    RESET_AFTER = "reset_after"
    """Done, and the connection is reset in place of an answer."""
    MALFORMED = "malformed"
    """Done, and answered with half of the JSON."""
    FAILED_LATER = "failed_later"
    """A message is accepted and then comes to nothing, with the provider's `code`."""
    DUPLICATE = "duplicate"
    """A webhook is made twice."""
    REORDER = "reorder"
    """Webhooks that belong together are made in another order."""


ON_REQUESTS = frozenset(
    {
        Kind.LATENCY,
        Kind.LATENCY_AFTER,
        Kind.STATUS,
        Kind.STATUS_AFTER,
        Kind.RESET_BEFORE,
        Kind.RESET_AFTER,
        Kind.MALFORMED,
    }
)
ON_WEBHOOKS = frozenset({Kind.LATENCY, Kind.DUPLICATE, Kind.REORDER})
ON_OUTCOMES = frozenset({Kind.FAILED_LATER})


class Fault(BaseModel):
    """A fault as it is asked for.

    `times` is how often it strikes, 0 until it is cleared; `chance` is how likely each time. With a `seed`, chance
    falls the same way each time the fault is set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: str = EVERY_OPERATION
    kind: Kind
    seconds: float = Field(default=0, ge=0, le=600)
    status: int = Field(default=503, ge=400, le=599)
    code: int | str | None = None
    times: int = Field(default=1, ge=0, le=1_000_000)
    chance: float = Field(default=1, gt=0, le=1)
    seed: int | None = None

    @model_validator(mode="after")
    def _latency_takes_time(self) -> Self:
        if self.kind in (Kind.LATENCY, Kind.LATENCY_AFTER) and not self.seconds:
            raise ValueError("seconds: say how long the latency is")
        return self


class _Set:
    """A fault that is set: what was asked for, its own chance, and how often it has struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._chance = random.Random(fault.seed)

    @property
    def over(self) -> bool:
        return 0 < self.fault.times <= self.struck

    def strikes(self, operation: str, kinds: frozenset[Kind]) -> bool:
        fault = self.fault
        if self.over or fault.kind not in kinds or fault.on not in (operation, EVERY_OPERATION):
            return False
        if self._chance.random() >= fault.chance:
            return False
        self.struck += 1
        return True


_ONE_OR_MORE: TypeAdapter[list[Fault] | Fault] = TypeAdapter(list[Fault] | Fault)


class Faults:
    """The faults of one simulator. `operations` are the names that `on` may have, besides `*` for all."""

    def __init__(self, operations: Iterable[str]) -> None:
        self._operations = frozenset(operations)
        self._set: list[_Set] = []

    def add(self, fault: Fault) -> None:
        """Set a fault. `ValueError` for an operation that the simulator has not, or with a hundred set already."""
        if fault.on != EVERY_OPERATION and fault.on not in self._operations:
            raise ValueError(f"on: {fault.on!r} is none of *, {', '.join(sorted(self._operations))}")
        self._set = [one for one in self._set if not one.over]
        if len(self._set) >= FAULTS_MAX:
            raise ValueError(f"at most {FAULTS_MAX} faults: clear them with DELETE first")
        self._set.append(_Set(fault))

    def clear(self) -> None:
        """Forget every fault."""
        self._set = []

    def strike(self, operation: str, kinds: frozenset[Kind]) -> list[Fault]:
        """The faults of these kinds that strike the operation this time, in the order they were set.

        Latencies add up; of the others the first strikes alone, and the rest keep for later.
        """
        striking: list[Fault] = []
        decided = False
        for one in self._set:
            latency = one.fault.kind is Kind.LATENCY
            if (latency or not decided) and one.strikes(operation, kinds):
                striking.append(one.fault)
                decided = decided or not latency
        return striking

    def on(self, operation: str, endpoint: Endpoint, refusal: Callable[[Fault], Response]) -> Endpoint:
        """The endpoint with this operation's faults. `refusal` is an error as the provider words it."""

        async def answer(request: Request) -> Response:
            striking = self.strike(operation, ON_REQUESTS)
            await asyncio.sleep(latency_seconds(striking))
            fault = next((one for one in striking if one.kind is not Kind.LATENCY), None)
            match fault:
                case None:
                    return await endpoint(request)
                case Fault(kind=Kind.STATUS):
                    return refusal(fault)
                case Fault(kind=Kind.RESET_BEFORE):
                    await request.body()
                    return ConnectionReset()
            answered = await endpoint(request)
            match fault.kind:
                case Kind.LATENCY_AFTER:
                    await asyncio.sleep(fault.seconds)
                    return answered
                case Kind.RESET_AFTER:
                    return ConnectionReset()
                case Kind.STATUS_AFTER:
                    return refusal(fault)
                case _:
                    return Response(
                        bytes(answered.body)[: len(answered.body) // 2] or b"{",
                        answered.status_code,
                        media_type=answered.headers.get("content-type"),
                    )

        return answer

    def routes(self) -> list[Route]:
        """The control API's routes."""
        return [
            Route("/_control/faults", self._add, methods=["POST"]),
            Route("/_control/faults", self._list, methods=["GET"]),
            Route("/_control/faults", self._clear, methods=["DELETE"]),
        ]

    async def _add(self, request: Request) -> Response:
        try:
            asked = _ONE_OR_MORE.validate_json(await request.body())
            for fault in asked if isinstance(asked, list) else [asked]:
                self.add(fault)
        except ValidationError as error:
            return JSONResponse({"errors": broken_rules(error)}, 400)
        except ValueError as error:
            return JSONResponse({"errors": [str(error)]}, 400)
        return await self._list(request)

    async def _list(self, request: Request) -> Response:
        listed = [{**json.loads(one.fault.model_dump_json()), "struck": one.struck} for one in self._set]
        return JSONResponse({"faults": listed})

    async def _clear(self, request: Request) -> Response:
        self.clear()
        return JSONResponse({"faults": []})


def latency_seconds(faults: Iterable[Fault]) -> float:
    """The time that these faults take together."""
    return sum(fault.seconds for fault in faults if fault.kind is Kind.LATENCY)


def broken_rules(error: ValidationError) -> list[str]:
    """Each rule that the JSON breaks, with its field: for the answer to whoever wrote it."""
    return [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
