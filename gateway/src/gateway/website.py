"""The built web form as routes: one direct answer for each file, and index.html for the pages it draws itself.

Envoy's file server knows no ETag, follows links and cannot fall back to index.html; direct answers do what is needed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.replies import Config

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
TEXT_TYPES = ["text/html", "text/css", "text/javascript", "application/json", "image/svg+xml"]
FILE_BYTES_MAX = 1024 * 1024
_CACHE_FOR_EVER = "public, max-age=31536000, immutable"
_SECURITY = {
    "x-content-type-options": "nosniff",
    # The status token stands in the fragment, which no referrer carries; the reference shall not leave either.
    "referrer-policy": "no-referrer",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
_READING = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
NOT_TRANSCODED: Config = {
    "envoy.filters.http.grpc_json_transcoder": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
        "disabled": True,
    }
}


class UnknownFileType(Exception):
    """The web form has a file whose media type nobody said; name it in the gateway's table."""


def routes(root: Path) -> list[Config]:
    """The routes of every file below `root`, then of the pages, then 404 for files and 405 for all but reading.

    Raises UnknownFileType for a file that could not be served with a media type.
    """
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    missing: Config = {
        "match": {"safe_regex": {"regex": r"/assets/.*|/[^/]*\.[a-z0-9]+"}, "headers": [_READING]},
        "direct_response": {"status": 404},
        "typed_per_filter_config": NOT_TRANSCODED,
    }
    page = _answer({"prefix": "/"}, root / "index.html")
    refused: Config = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 405},
        "response_headers_to_add": _headers({"allow": "GET, HEAD"}),
        "typed_per_filter_config": NOT_TRANSCODED,
    }
    return [*(_answer({"path": f"/{path.relative_to(root)}"}, path) for path in files), missing, page, refused]


def _answer(match: Config, path: Path) -> Config:
    try:
        media_type = _MEDIA_TYPES[path.suffix]
    except KeyError:
        raise UnknownFileType(f"{path.name}: add the media type of {path.suffix} files") from None
    # Built files below /assets carry a hash of their content in their name.
    named_by_hash = path.parent.name == "assets" and re.search(r"[-.][\w-]{8,}\.\w+$", path.name)
    headers = {
        "content-type": media_type,
        "cache-control": _CACHE_FOR_EVER if named_by_hash else "no-cache",
        **_SECURITY,
    }
    return {
        "match": {**match, "headers": [_READING]},
        "direct_response": {"status": 200, "body": {"filename": str(path.resolve())}},
        "response_headers_to_add": _headers(headers),
        "typed_per_filter_config": NOT_TRANSCODED,
    }


def _headers(values: Mapping[str, str]) -> list[Config]:
    return [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in values.items()
    ]
