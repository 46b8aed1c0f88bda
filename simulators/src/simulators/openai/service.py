"""OpenAI's side: keys, models, limits, scripts and faults, and how each operation is answered."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from simulators.faults import ON_REQUESTS, Fault, Faults, Kind, latency_seconds
from simulators.openai import chat, delivery, embeddings, reading, responses
from simulators.openai.catalogue import Catalogue
from simulators.openai.errors import ApiError, no_key, of_fault, spoken, too_long, wrong_key
from simulators.openai.limits import RateLimits
from simulators.openai.received import Received, Requests
from simulators.openai.script import Scripts
from simulators.openai.turn import Answer, Asked, Delivery
from simulators.serving import ConnectionReset

CHAT: Final = "chat.completions.create"
RESPONSES: Final = "responses.create"
EMBEDDINGS: Final = "embeddings.create"
MODELS: Final = "models.list"
OPERATIONS: Final = (CHAT, RESPONSES, EMBEDDINGS, MODELS)
BODY_BYTES_MAX: Final = 32 * 1024 * 1024

Answering: TypeAlias = Callable[[Mapping[str, Any], Received], tuple[Response, float]]


class Config(BaseModel):
    """How the simulator behaves; `/_control/settings` changes it while it runs.

    Every key is taken when `keys` is empty, but there has to be one. `latency` is how many seconds each answer takes,
    `pace` how many pass between the events of a stream. `models` are served besides the usual ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    keys: tuple[str, ...] = ()
    latency: float = Field(default=0.0, ge=0, le=600)
    pace: float = Field(default=0.0, ge=0, le=60)
    requests_per_minute: int = Field(default=1_000_000, ge=1, alias="requestsPerMinute")
    tokens_per_minute: int = Field(default=1_000_000_000, ge=1, alias="tokensPerMinute")
    models: tuple[str, ...] = ()


@dataclass(slots=True)
class Service:
    """The inside of one simulator."""

    config: Config
    clock: Callable[[], float] = time.monotonic
    faults: Faults = field(default_factory=lambda: Faults(OPERATIONS))
    scripts: Scripts = field(default_factory=Scripts)
    requests: Requests = field(default_factory=Requests)
    _stored: responses.Stored = field(default_factory=responses.Stored)
    _catalogue: Catalogue = field(init=False)
    _limits: RateLimits = field(init=False)

    def __post_init__(self) -> None:
        self.configure(self.config)

    def configure(self, config: Config) -> None:
        """Behaves so from now on; what was used up of the limits is forgotten."""
        self.config = config
        self._catalogue = Catalogue(*config.models)
        self._limits = RateLimits(config.requests_per_minute, config.tokens_per_minute, clock=self.clock)

    def authenticate(self, authorization: str) -> None:
        """Raises ApiError 401 for a key that is missing or not one of ours."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise no_key()
        accepted = [hmac.compare_digest(key.strip().encode(), each.encode()) for each in self.config.keys]
        if accepted and not any(accepted):
            raise wrong_key()

    def chat(self, body: Mapping[str, Any], received: Received) -> tuple[Response, float]:
        """A chat completion, and how long it takes. Raises ApiError."""
        asked = chat.read(body, self._catalogue)
        answer = self._answer(asked, chat.INPUT, received)
        options = _options(answer)
        if asked.stream:
            written = chat.chunks(asked, answer, **options)
            return delivery.stream(written, answer.delivery, self.headers(), self.config.pace), answer.seconds
        return delivery.whole(
            chat.completion(asked, answer, **options), answer.delivery, self.headers()
        ), answer.seconds

    def respond(self, body: Mapping[str, Any], received: Received) -> tuple[Response, float]:
        """A response, and how long it takes. Raises ApiError."""
        asked = responses.read(body, self._catalogue, self._stored)
        answer = self._answer(asked, responses.INPUT, received)
        options = _options(answer)
        response_id = f"resp_{secrets.token_hex(16)}"
        if reading.boolean(body, "store", True):
            self._stored.keep(response_id, asked, answer)
        if asked.stream:
            written = responses.events(asked, answer, response_id, **options)
            return delivery.stream(written, answer.delivery, self.headers(), self.config.pace), answer.seconds
        whole = responses.response(asked, answer, response_id, **options)
        return delivery.whole(whole, answer.delivery, self.headers()), answer.seconds

    def embed(self, body: Mapping[str, Any], received: Received) -> tuple[Response, float]:
        """Embeddings, at once. Raises ApiError."""
        tokens_used = embeddings.tokens_of(body, self._catalogue)
        self._limits.take(tokens_used)
        answered = embeddings.answer(body, self._catalogue, tokens_used)
        return JSONResponse(answered, headers=self.headers()), 0.0

    def list_models(self) -> dict[str, Any]:
        """All models."""
        return {"object": "list", "data": [model.body() for model in self._catalogue.all()]}

    def show_model(self, name: str) -> dict[str, Any]:
        """One model. Raises ApiError 404."""
        return self._catalogue.get(name).body()

    def headers(self) -> dict[str, str]:
        """What every answer bears, with the limits as they stand now."""
        return {
            "x-request-id": f"req_{secrets.token_hex(16)}",
            "openai-version": "2020-10-01",
        } | self._limits.headers()

    def _answer(self, asked: Asked, param: str, received: Received) -> Answer:
        used = asked.input_tokens()
        if used > asked.model.context_tokens:
            raise too_long(asked.model.context_tokens, used, param)
        self._limits.take(used)
        answer, received.answered_by = self.scripts.answer(asked)
        if answer.delivery is Delivery.STREAM_ERROR and not asked.stream:
            raise spoken(500, None)
        return answer.within(asked.output_tokens_max)


def _options(answer: Answer) -> dict[str, bool]:
    return {
        "with_usage": answer.delivery is not Delivery.NO_USAGE,
        "with_output": answer.delivery is not Delivery.NO_CHOICES,
    }


class Operation:
    """One operation as an ASGI application: read, fail as told, answer, and wait before the answer goes out."""

    def __init__(self, service: Service, name: str, answering: Answering) -> None:
        self._service = service
        self._name = name
        self._answering = answering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self._service
        began = service.clock()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _body(receive)
        if body is None:
            refusal = ApiError(413, "invalid_request_error", f"At most {BODY_BYTES_MAX} bytes are read.")
            await JSONResponse(refusal.body(), 413)(scope, receive, send)
            return
        received = service.requests.keep(self._name, headers, body)
        striking = service.faults.strike(self._name, ON_REQUESTS)
        fault = next((each for each in striking if each.kind is not Kind.LATENCY), None)
        response, seconds = self._answered(headers.get("authorization", ""), body, received, fault)
        del body
        seconds += service.config.latency + latency_seconds(striking)
        service.requests.began()
        try:
            # It takes a caller who gave up for one who needs no answer any more.
            if seconds and await delivery.gone(receive, seconds):
                return
            if not isinstance(response, ConnectionReset | delivery.Silence):
                received.status = response.status_code
                response.headers["openai-processing-ms"] = str(math.ceil((service.clock() - began) * 1000))
            await response(scope, receive, send)
        finally:
            service.requests.ended()

    def _answered(
        self, authorization: str, body: bytes, received: Received, fault: Fault | None
    ) -> tuple[Response, float]:
        if fault is not None and fault.kind is Kind.RESET_BEFORE:
            return ConnectionReset(), 0.0
        service = self._service
        try:
            if fault is not None and fault.kind is Kind.STATUS:
                raise of_fault(fault)
            service.authenticate(authorization)
            parsed = reading.json_object(body) if body else {}
            response, seconds = self._answering(parsed, received)
            if fault is not None and fault.kind is Kind.STATUS_AFTER:
                raise of_fault(fault)
        except ApiError as error:
            return JSONResponse(error.body(), error.status, headers=service.headers() | error.headers), 0.0
        match fault:
            case Fault(kind=Kind.RESET_AFTER):
                return ConnectionReset(), seconds
            case Fault(kind=Kind.MALFORMED):
                return delivery.malformed(response), seconds
            case Fault(kind=Kind.LATENCY_AFTER):
                return response, seconds + fault.seconds
        return response, seconds


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None when it is too large."""
    parts = bytearray()
    while True:
        message = await receive()
        parts += message.get("body", b"")
        if len(parts) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return bytes(parts)
