"""HTTP to Google that repeats nothing by itself, and tells a request that was not sent from one that may have been.

httplib2 repeats a request whose connection broke, POST and all, and nothing switches that off. For reading that is
good; a mail would go out twice. Its repetitions are bound to exceptions of sockets and `http.client`, so a connection
that raises other ones ends them.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import Any

import httplib2
from google.auth.transport import Request as AuthRequest
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp, Request
from googleapiclient.errors import HttpError
from googleapiclient.http import HttpRequest

# A mail of 25 MB in base64, within JSON, and room for the rest of the message's resource.
RESPONSE_BYTES_MAX = 36 * 1024 * 1024

_UNAUTHORIZED = 401


class NotConnected(Exception):
    """No connection came about, or Google's sign-in did not let us in: the request was not sent."""


class Interrupted(Exception):
    """The connection failed once it stood: nobody knows how much of the request was read and acted upon."""


class ResponseTooLarge(Exception):
    """The response is larger than we read; the request itself was handled."""


class _Response(http.client.HTTPResponse):
    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            return super().read(amt)
        try:
            content = super().read(RESPONSE_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted from error
        if len(content) > RESPONSE_BYTES_MAX:
            self.close()
            raise ResponseTooLarge
        return content


class _Careful:
    """What both kinds of connection have in common."""

    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # of the connection class that this is mixed into
        except (OSError, http.client.HTTPException, httplib2.HttpLib2Error) as error:
            raise NotConnected from error

    def request(self, *args: Any, **options: Any) -> None:
        try:
            super().request(*args, **options)  # type: ignore[misc]  # as above
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted from error

    def getresponse(self) -> http.client.HTTPResponse:
        try:
            response: http.client.HTTPResponse = super().getresponse()  # type: ignore[misc]  # as above
        except (OSError, http.client.HTTPException) as error:
            raise Interrupted from error
        return response


class _Connection(_Careful, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]  # published without types
    pass


class _SecureConnection(_Careful, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]  # as above
    pass


class _Http(httplib2.Http):  # type: ignore[misc]  # as above
    """An `httplib2.Http` over connections that are not tried twice."""

    def request(self, uri: str, *args: Any, **options: Any) -> Any:
        kind = _SecureConnection if uri.lower().startswith("https:") else _Connection
        return super().request(uri, *args, **{**options, "connection_type": kind})


class Link:
    """One caller's connection to Google, with a token of its own. Blocking, and for one thread at a time.

    Each wait on the socket is bounded by `timeout_seconds`; `abort`, from any thread, ends whatever it waits for.
    """

    def __init__(self, credentials: service_account.Credentials, *, timeout_seconds: float) -> None:
        self._http = _Http(timeout=timeout_seconds)
        # A redirect would carry the token, and the mail, to wherever it points.
        self._http.follow_redirects = False
        self._credentials = credentials
        self._authorized = AuthorizedHttp(credentials, http=self._http, refresh_status_codes=())

    def perform(self, request: HttpRequest, *, repeatable: bool) -> Any:
        """What Google answers, from JSON. Raises HttpError, NotConnected, ResponseTooLarge, and after that anything.

        A request that is `repeatable` is sent once more on a new connection when the old one turns out to be broken;
        one that is not gets a new connection from the start, because a kept one may have been closed by the other side
        already, and what fails for that looks like any other failure. A token that is no longer good is renewed once.
        """
        self._sign_in(renew=False)
        if not repeatable:
            self._hang_up()
        try:
            return self._sent(request)
        except Interrupted:
            if not repeatable:
                raise
            self._hang_up()
            return self._sent(request)

    def abort(self) -> None:
        """Breaks the connection under whoever waits for it."""
        for connection in list(self._http.connections.values()):
            opened = connection.sock
            if opened is not None:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets go of the connection."""
        self._http.close()

    def _sent(self, request: HttpRequest) -> Any:
        try:
            return request.execute(http=self._authorized, num_retries=0)
        except HttpError as error:
            if error.resp.status != _UNAUTHORIZED:
                raise
        # Refused unread, so that sending it again is safe.
        self._sign_in(renew=True)
        return request.execute(http=self._authorized, num_retries=0)

    def _sign_in(self, *, renew: bool) -> None:
        if self._credentials.valid and not renew:
            return
        try:
            self._credentials.refresh(_AuthRequest(self._http))  # type: ignore[no-untyped-call]  # as below
        except Exception as error:
            # Whatever went wrong here (the library raises TypeError for an answer that is not Google's), what the token
            # is for was not sent.
            raise NotConnected from error

    def _hang_up(self) -> None:
        for connection in self._http.connections.values():
            connection.close()


class _AuthRequest(Request, AuthRequest):  # type: ignore[misc]  # google_auth_httplib2 is published without types
    pass
