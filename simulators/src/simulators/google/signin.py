"""Google's sign-in: the token endpoint, and the keys that identity tokens are checked with."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import Fault
from simulators.google import bodies
from simulators.google.account import CERTS, TOKEN, Account
from simulators.google.errors import GrantError

_CERTS_SECONDS = 3600


def routes(account: Account) -> list[Route]:
    """`POST /token` (RFC 7523) and `GET /oauth2/v3/certs` (RFC 7517)."""

    async def token(request: Request) -> Response:
        try:
            form = dict(parse_qsl((await bodies.read(request)).decode("utf-8", "replace")))
            return JSONResponse(account.tokens.grant(form, str(request.url)))
        except bodies.TooLarge:
            return _refused(GrantError("invalid_request", "Request Too Large"), 413)
        except GrantError as error:
            return _refused(error, 401 if error.error == "unauthorized_client" else 400)

    async def certs(request: Request) -> Response:
        # Google's keys are good for hours; whoever meets an unknown key id has to look again before that.
        headers = {"Cache-Control": f"public, max-age={_CERTS_SECONDS}, must-revalidate, no-transform"}
        return JSONResponse(account.keys.published(), headers=headers)

    def refusal(fault: Fault) -> Response:
        return _refused(GrantError(str(fault.code or "internal_failure"), "Internal Error"), fault.status)

    return [
        Route("/token", account.faults.on(TOKEN, token, refusal), methods=["POST"]),
        Route("/oauth2/v3/certs", account.faults.on(CERTS, certs, refusal), methods=["GET"]),
    ]


def _refused(error: GrantError, status: int) -> Response:
    return JSONResponse(error.body(), status)
