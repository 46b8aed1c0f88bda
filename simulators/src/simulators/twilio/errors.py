"""Twilio's errors in Twilio's words and shape; codes and statuses are those of its error dictionary."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from simulators.faults import Fault

AUTHENTICATE = 20003
NOT_FOUND = 20404
METHOD_NOT_ALLOWED = 20004
TOO_MANY_REQUESTS = 20429
INVALID_TO = 21211
INVALID_DATE = 20001
NO_BODY = 21602
NO_FROM = 21603
NO_TO = 21604
BODY_TOO_LONG = 21617
UNSUBSCRIBED = 21610
INVALID_CALLBACK = 21609
INVALID_CONTENT_SID = 21655
INVALID_CONTENT_VARIABLES = 21656
NO_SUCH_SENDER = 63007
OUTSIDE_WINDOW = 63016
CHANNEL_RATE_LIMIT = 63018

MESSAGES = {
    AUTHENTICATE: "Authenticate",
    NOT_FOUND: "The requested resource was not found",
    METHOD_NOT_ALLOWED: "Method not allowed",
    TOO_MANY_REQUESTS: "Too Many Requests",
    INVALID_TO: "Invalid 'To' Phone Number",
    INVALID_DATE: "Invalid parameter: DateSent",
    NO_BODY: "Message body is required.",
    NO_FROM: "A 'From' phone number is required.",
    NO_TO: "A 'To' phone number is required.",
    BODY_TOO_LONG: "The concatenated message body exceeds the 1600 character limit",
    UNSUBSCRIBED: "Attempt to send to unsubscribed recipient",
    INVALID_CALLBACK: "The 'StatusCallback' URL is not a valid URL",
    INVALID_CONTENT_SID: "The ContentSid is invalid",
    INVALID_CONTENT_VARIABLES: "The ContentVariables parameter is invalid",
    NO_SUCH_SENDER: "Twilio could not find a Channel with the specified From address",
    OUTSIDE_WINDOW: "Outside messaging window. For WhatsApp, use a Message Template instead",
    CHANNEL_RATE_LIMIT: "Rate limit exceeded for Channel",
}


class Rejected(Exception):
    """A request that Twilio does not take."""

    def __init__(self, code: int, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status

    def response(self) -> Response:
        """The error as Twilio answers it."""
        return error_response(self.status, self.code)


def error_response(status: int, code: int) -> Response:
    """An error of this HTTP status and code."""
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else {}
    return JSONResponse(
        {
            "code": code,
            "message": MESSAGES.get(code, "An error occurred"),
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        status,
        headers,
    )


def refusal(fault: Fault) -> Response:
    """A fault as Twilio words it; 20429 for 429 and 20500 for the rest unless the fault names its code."""
    otherwise = TOO_MANY_REQUESTS if fault.status == 429 else 20500
    return error_response(fault.status, fault.code if isinstance(fault.code, int) else otherwise)
