"""OpenAI, as far as FTE talks to it: Responses, Chat Completions, embeddings and models, with streams and calls.

`app(Config(…))` is the ASGI application. Without a script a small assistant answers; `/_control/…` scripts the answers,
sets faults, and shows the requests that came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.openai import control
from simulators.openai.errors import ApiError
from simulators.openai.received import Received
from simulators.openai.service import CHAT, EMBEDDINGS, MODELS, RESPONSES, Config, Operation, Service
from simulators.serving import health_route

__all__ = ["Config", "app"]


def app(config: Config | None = None) -> Starlette:
    """The application; `app.state.service` is its inside."""
    service = Service(config or Config())

    def listing(body: Mapping[str, Any], received: Received) -> tuple[Response, float]:
        return JSONResponse(service.list_models(), headers=service.headers()), 0.0

    async def model(request: Request) -> Response:
        try:
            service.authenticate(request.headers.get("authorization", ""))
            return JSONResponse(service.show_model(request.path_params["name"]))
        except ApiError as error:
            return JSONResponse(error.body(), error.status)

    application = Starlette(
        routes=[
            Route("/v1/chat/completions", Operation(service, CHAT, service.chat), methods=["POST"]),
            Route("/v1/responses", Operation(service, RESPONSES, service.respond), methods=["POST"]),
            Route("/v1/embeddings", Operation(service, EMBEDDINGS, service.embed), methods=["POST"]),
            Route("/v1/models", Operation(service, MODELS, listing), methods=["GET"]),
            Route("/v1/models/{name}", model, methods=["GET"]),
            *control.routes(service),
            *service.faults.routes(),
            health_route(),
        ],
        exception_handlers={404: _unknown_url, 405: _wrong_method},
    )
    application.state.service = service
    return application


async def _unknown_url(request: Request, error: Exception) -> Response:
    return JSONResponse(_unserved(f"Invalid URL ({request.method} {request.url.path[:200]})").body(), 404)


async def _wrong_method(request: Request, error: Exception) -> Response:
    return JSONResponse(_unserved(f"Not allowed to {request.method} on {request.url.path[:200]}").body(), 405)


def _unserved(message: str) -> ApiError:
    return ApiError(404, "invalid_request_error", message)
