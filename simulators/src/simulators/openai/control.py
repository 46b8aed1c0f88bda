"""What tests, the demo and the curious do to the simulated OpenAI: `/_control/…`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import broken_rules
from simulators.openai.script import Script
from simulators.openai.service import Config, Service

_SHOWN_MAX = 1000
_SCRIPT: TypeAdapter[Script] = TypeAdapter(Script)


def routes(service: Service) -> list[Route]:
    """The control API's paths."""

    async def add_script(request: Request) -> Response:
        try:
            number = service.scripts.add(_SCRIPT.validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"errors": broken_rules(error)}, 400)
        except ValueError as error:
            return JSONResponse({"errors": [str(error)]}, 400)
        return JSONResponse({"number": number})

    async def list_scripts(request: Request) -> Response:
        return JSONResponse({"scripts": service.scripts.shown()})

    async def clear_scripts(request: Request) -> Response:
        service.scripts.clear()
        return JSONResponse({"scripts": []})

    async def list_requests(request: Request) -> Response:
        asked = request.query_params
        try:
            limit = int(asked.get("limit", "100"))
        except ValueError:
            limit = 0
        if not 0 < limit <= _SHOWN_MAX:
            return JSONResponse({"errors": [f"limit: a whole number from 1 to {_SHOWN_MAX}"]}, 400)
        shown = service.requests.shown(containing=asked.get("containing", ""), limit=limit)
        counts = {"count": service.requests.count, "waiting": service.requests.waiting}
        return JSONResponse({"requests": shown, **counts, "waitingMost": service.requests.waiting_most})

    async def clear_requests(request: Request) -> Response:
        return JSONResponse({"cleared": service.requests.clear()})

    async def change_settings(request: Request) -> Response:
        try:
            changes = _OBJECT.validate_json(await request.body())
            settings = service.config.model_dump(by_alias=True) | changes
            service.configure(Config.model_validate(settings))
        except ValidationError as error:
            return JSONResponse({"errors": broken_rules(error)}, 400)
        return await show_settings(request)

    async def show_settings(request: Request) -> Response:
        # How many keys there are, and not which.
        shown = service.config.model_dump(by_alias=True) | {"keys": len(service.config.keys)}
        return JSONResponse(shown)

    return [
        Route("/_control/script", add_script, methods=["POST"]),
        Route("/_control/script", list_scripts, methods=["GET"]),
        Route("/_control/script", clear_scripts, methods=["DELETE"]),
        Route("/_control/requests", list_requests, methods=["GET"]),
        Route("/_control/requests", clear_requests, methods=["DELETE"]),
        Route("/_control/settings", change_settings, methods=["POST"]),
        Route("/_control/settings", show_settings, methods=["GET"]),
    ]


_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
