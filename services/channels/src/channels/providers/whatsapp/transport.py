"""The wire to Twilio: an HTTP client for its library that knows after which failures a message may have gone out."""

from __future__ import annotations

from typing import Final

import aiohttp
from twilio.http.response import Response

from channels.providers.base import Throttled, Unclear, Unreachable

TWILIO: Final = "https://api.twilio.com"

_CONNECTIONS_MAX = 32
# Where Twilio does not say how long: it asks for exponential backoff from about here.
_PAUSE_SECONDS = 1.0
_PAUSE_SECONDS_MAX = 300.0

_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS_FROM = 500
_REDIRECTS = range(300, 400)


class TwilioHttp:
    """Does the requests of `twilio.rest.Client`; `api_url` stands in for Twilio's address where it is not empty.

    The library's own clients have no deadline for a whole request, only for its next byte, and they log addresses.
    """

    # How the library tells an asynchronous client from a blocking one.
    is_async = True

    def __init__(self, api_url: str, deadline_seconds: float) -> None:
        self._origin = api_url.rstrip("/") or TWILIO
        self._deadline_seconds = deadline_seconds
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The answer of Twilio, if it is one about this request.

        Raises Unreachable when no request got through, Throttled on 429, and when the answer is a 5xx or does not come,
        Unclear for what changes something and Unreachable for what only reads. Nothing is sent twice from here.
        """
        unanswered = Unreachable if method.upper() == "GET" else Unclear
        try:
            async with self._opened().request(
                method,
                self._origin + url.removeprefix(TWILIO),
                params=params,
                data=data,
                headers={**(headers or {}), **_signed_in(auth)},
                allow_redirects=False,
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable("no connection to Twilio") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unanswered("the connection to Twilio ended without an answer") from error
        if response.status == _TOO_MANY_REQUESTS:
            raise Throttled(_pause(response.headers.get("Retry-After", "")))
        if response.status >= _SERVER_ERRORS_FROM:
            raise unanswered(f"Twilio answered {response.status}")
        if response.status in _REDIRECTS:
            raise Unreachable("Twilio's address redirects to another; set TWILIO_API_URL to where it is")
        return Response(response.status, text, response.headers)

    async def close(self) -> None:
        """Ends all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        # Not before the first request: a session belongs to the event loop in which it is made.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=self._deadline_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _signed_in(auth: tuple[str, str] | None) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}


def _pause(stated: str) -> float:
    # The header may also be a date; Twilio sends seconds, if anything.
    if stated.isascii() and stated.isdigit():
        return max(_PAUSE_SECONDS, min(float(stated), _PAUSE_SECONDS_MAX))
    return _PAUSE_SECONDS
