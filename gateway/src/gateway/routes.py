"""Where a request goes, and which token it needs: routes and JWT rules, both from the contracts."""

import re
from collections.abc import Iterable

from gateway import filters
from gateway.contracts import Binding, Method, bindings, grpc_services, methods, path_expression
from gateway.replies import HEALTH_PATH, Config
from gateway.settings import GatewaySettings
from gateway.website import NOT_TRANSCODED

_FILTER = "type.googleapis.com/envoy.extensions.filters.http"
# To gRPC the answer of GetHealth is never an error; REST shows the status that it asks for. Header mutation may not
# touch the status, so this is the one place for a script.
_STATUS_AS_ASKED = """
function envoy_on_response(handle)
  local status = handle:headers():get("x-http-status")
  if status ~= nil then
    handle:headers():remove("x-http-status")
    handle:headers():replace(":status", status)
  end
end
"""
# No name of a parameter needs an escape, and the rule below compares names as they are sent.
_ESCAPED_NAME: Config = {
    "name": ":path",
    "string_match": {"safe_regex": {"regex": r"[^?]*\?(.*&)?[^=&]*%.*"}},
}
_STAFF: Config = {"provider_name": "staff"}
# A bad token is refused where none is needed, too: its owner believes to be signed in.
_STAFF_OR_NOBODY: Config = {"requires_any": {"requirements": [_STAFF, {"allow_missing": {}}]}}


def api_routes(settings: GatewaySettings) -> list[Config]:
    """gRPC by service, then REST by path and verb; what is left of gRPC and below /api is refused."""
    every = bindings()
    return [
        # Where one sees a//b, another sees a/b: no rule about paths would hold for both.
        _refused({"safe_regex": {"regex": ".*//.*"}}, 400),
        *(_grpc(service, settings) for service in grpc_services()),
        _grpc_refused(),
        # Before the rules about queries, which a webhook's is not bound by: no field is read from it.
        *(_rest(binding, settings) for binding in every if binding.raw),
        _refused({"prefix": "/api/", "headers": [_ESCAPED_NAME]}, 400),
        *(_refused(_twice(path, name), 400) for path, name in sorted({(b.path, f) for b in every for f in b.fields})),
        *(_rest(binding, settings) for binding in every if not binding.raw),
        *(_verb_refused(path, every) for path in sorted({binding.path for binding in every})),
        *(_refused({"prefix": prefix}, 404) for prefix in ("/api/", "/fte.", "/grpc.")),
    ]


def _twice(path: str, field: str) -> Config:
    # The transcoder would let the query overrule the path, and the path is what rules and logs go by.
    return {"safe_regex": {"regex": path}, "query_parameters": [{"name": field, "present_match": True}]}


def _refused(match: Config, status: int) -> Config:
    return {"match": match, "direct_response": {"status": status}, "typed_per_filter_config": NOT_TRANSCODED}


def _grpc_refused() -> Config:
    # Not held back either: a stream that waits for our answer, as reflection does, would wait for its own end.
    refused = _refused({"prefix": "/", "grpc": {}}, 404)
    return {**refused, "typed_per_filter_config": {**NOT_TRANSCODED, **filters.NOT_BUFFERED}}


def _verb_refused(path: str, every: Iterable[Binding]) -> Config:
    verbs = ", ".join(sorted({binding.verb for binding in every if binding.path == path}))
    return {**_refused({"safe_regex": {"regex": path}}, 405), "response_headers_to_add": [_add("allow", verbs)]}


def token_rules() -> list[Config]:
    """Which token each path needs, as jwt_authn reads it: the first rule that matches decides."""
    return [
        *(
            {"match": _match(binding), "requires": _STAFF_OR_NOBODY if binding.public else _STAFF}
            for binding in bindings()
            # A webhook's bearer is its provider's.
            if not binding.raw
        ),
        *({"match": {"path": method.full_name}, "requires": _requirement(method)} for method in methods()),
    ]


def _requirement(method: Method) -> Config:
    return _STAFF_OR_NOBODY if method.public else _STAFF


def _match(binding: Binding) -> Config:
    verb = {"name": ":method", "string_match": {"exact": binding.verb}}
    return {"safe_regex": {"regex": binding.path}, "headers": [verb]}


def _rest(binding: Binding, settings: GatewaySettings) -> Config:
    per_filter = filters.for_webhooks(settings) if binding.raw else filters.for_rest(settings, public=binding.public)
    if binding.path == path_expression(HEALTH_PATH):
        per_filter["envoy.filters.http.lua"] = {
            "@type": f"{_FILTER}.lua.v3.LuaPerRoute",
            "source_code": {"inline_string": _STATUS_AS_ASKED},
        }
    return {
        "match": _match(binding),
        "route": {
            "cluster": binding.service,
            "timeout": f"{settings.gateway_timeout_seconds}s",
            **_retries(safe=binding.verb == "GET"),
        },
        "request_headers_to_add": [
            # A little less than our own, so that the service tells what was slow before we give up.
            _add("grpc-timeout", f"{settings.gateway_timeout_seconds * 1000 - 50}m"),
        ],
        "response_headers_to_add": [_add("cache-control", "no-store"), _add("x-content-type-options", "nosniff")],
        "typed_per_filter_config": per_filter,
    }


def _retries(*, safe: bool) -> Config:
    # A connection that never came about carried nothing; more than that is repeated only for what changes nothing.
    conditions = "connect-failure,refused-stream" + (",unavailable" if safe else "")
    return {
        "retry_policy": {
            "retry_on": conditions,
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        }
    }


def _grpc(service: str, settings: GatewaySettings) -> Config:
    return {
        "match": {"prefix": f"/{service}/", "grpc": {}},
        "route": {
            "cluster": service.split(".")[1],
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "60s", "grpc_timeout_header_offset": "0.05s"},
            **_retries(safe=False),
        },
        "request_headers_to_add": [
            {
                "header": {"key": "grpc-timeout", "value": f"{settings.gateway_timeout_seconds}S"},
                "append_action": "ADD_IF_ABSENT",
            }
        ],
        # The service's own limit counts here: the filter would hold back a stream until its end.
        "typed_per_filter_config": filters.NOT_BUFFERED,
    }


def _add(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def clusters(names: Iterable[str], settings: GatewaySettings) -> list[Config]:
    """One cluster for each service: HTTP/2, health-checked by gRPC's own protocol, with bounds on everything."""
    return [_cluster(name, *settings.address(name)) for name in names]


def _cluster(name: str, host: str, port: int) -> Config:
    return {
        "name": name,
        # A name may stand for many; an address for itself.
        "type": "STATIC" if re.fullmatch(r"[0-9.]+|\[?[0-9a-f:]+\]?", host) else "STRICT_DNS",
        "connect_timeout": "0.5s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "health_checks": [
            {
                # A service that is busy for a second is not away; one that is gone fails its calls at once anyhow.
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                # One that comes back is used as soon as it is there.
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        # A replica that cannot be reached, though its health checks pass, rests for a while. What a service answers
        # never counts against it, or bad requests could shut it out; and half of the replicas stay in, come what may.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 5,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "5s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 64, "max_pending_requests": 2048, "max_requests": 4096, "max_retries": 16}
            ]
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}]}
            ],
        },
    }
