"""Proof that a webhook is Twilio's, as its page "Webhooks security" describes the header X-Twilio-Signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator, add_port, remove_port

from channels.errors import BadSignature, WebhookUnreadable

BODY_BYTES_MAX = 64 * 1024

# Twilio sends some forty parameters; the limit is for what is not Twilio's.
_PARAMETERS_MAX = 500


class Parameters(dict[str, list[str]]):
    """What a webhook says: each parameter with its values, as they came. Blank ones count."""

    def getlist(self, name: str) -> list[str]:
        """The values of a parameter, under the name by which Twilio's library asks for them."""
        return self.get(name, [])

    def one(self, name: str) -> str:
        """The value of a parameter, empty when it is not sent.

        Raises WebhookUnreadable when it has several. The signature covers names and values without anything between
        them, so it cannot tell `a=b&a=c` from `a=bac`: what is ambiguous is not believed.
        """
        values = set(self.getlist(name))
        if len(values) > 1:
            raise WebhookUnreadable(name, "must have one value, not several")
        return values.pop() if values else ""


class Signatures:
    """Checks signatures against our public address and our tokens; with a previous token while one is rotated."""

    def __init__(self, public_url: str, tokens: Sequence[str]) -> None:
        # An empty key would make signatures that anybody can make.
        self._validators = [RequestValidator(token) for token in tokens if token]
        # Twilio's own library accepts both spellings: some of what signs there leaves a default port out.
        address = urlsplit(public_url)
        self._origins = sorted({str(add_port(address)), str(remove_port(address))})

    def verified(self, body: bytes, content_type: str, path: str, signature: str) -> Parameters:
        """The parameters of a webhook that Twilio signed; `path` is path and query as they were sent.

        The address that is checked is the configured one and that path; what a client says of host and scheme does not
        matter. JSON is signed by its hash, the parameter `bodySHA256` of the query.

        Raises BadSignature, and WebhookUnreadable for a body over 64 KiB or signed JSON that is not an object.
        """
        if len(body) > BODY_BYTES_MAX:
            raise WebhookUnreadable("body", f"must have at most {BODY_BYTES_MAX} bytes")
        if not path.startswith("/") or not path.isascii():
            raise BadSignature
        if content_type.partition(";")[0].strip().lower() == "application/json":
            _check_hash(body, path)
            self._check(path, Parameters(), signature)
            return _read_json(body)
        parameters = _read_form(body)
        self._check(path, parameters, signature)
        return parameters

    def _check(self, path: str, parameters: Parameters, signature: str) -> None:
        given = signature.encode(errors="replace")
        # All are computed, whichever fits: the time taken tells nothing.
        fits = [
            hmac.compare_digest(validator.compute_signature(origin + path, parameters).encode(), given)
            for validator in self._validators
            for origin in self._origins
        ]
        if not any(fits):
            raise BadSignature


def _check_hash(body: bytes, path: str) -> None:
    stated = dict(parse_qsl(path.partition("?")[2])).get("bodySHA256", "")
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), stated.encode(errors="replace")):
        raise BadSignature


def _read_form(body: bytes) -> Parameters:
    parameters = Parameters()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_MAX)
    except ValueError:
        # Not UTF-8, or more parameters than Twilio sends: nothing that it signed.
        raise BadSignature from None
    for name, value in pairs:
        parameters.setdefault(name, []).append(value)
    return parameters


def _read_json(body: bytes) -> Parameters:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise WebhookUnreadable("body", "must be a JSON object")
    # Lone surrogates, which JSON can spell, have no place in any text.
    return Parameters(
        {name: [value.encode(errors="replace").decode()] for name, value in read.items() if isinstance(value, str)}
    )
