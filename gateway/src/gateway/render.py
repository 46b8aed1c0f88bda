"""Envoy's whole configuration, from the settings."""

import yaml

from gateway import filters, routes, website
from gateway.filters import PROVIDER_TOKEN
from gateway.replies import ORIGINAL_PATH, ORIGINAL_TYPE, Config, local_replies
from gateway.settings import GatewaySettings

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_CONNECTIONS = "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
# Headers that say who somebody is or how Envoy should treat them, and are ours to say. Callers are proved by tokens;
# these are taken off all the same, so that nobody is tempted to read them.
_FORGEABLE = (
    "x-envoy-",
    "x-fte-",
    "x-staff-",
    "x-jwt-",
    "x-caller",
    "x-customer",
    "x-client-",
    "x-forwarded-client-",
    PROVIDER_TOKEN,
)


def render(settings: GatewaySettings) -> str:
    """The configuration as YAML."""
    document: Config = {
        "admin": {"address": _socket("127.0.0.1", settings.gateway_admin_port)},
        "static_resources": {
            "listeners": [_listener(settings)],
            "clusters": routes.clusters(SERVICES, settings),
        },
        # More than this many at once are refused at the door rather than starving those inside.
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_EXTENSIONS}.{_CONNECTIONS}",
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }
    return yaml.safe_dump(document, sort_keys=False, width=120)


def _socket(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(settings: GatewaySettings) -> Config:
    manager = "envoy.filters.network.http_connection_manager"
    typed = f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "public",
        "address": _socket(settings.gateway_host, settings.gateway_port),
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [
            {"filters": [{"name": manager, "typed_config": {"@type": typed, **_connection_manager(settings)}}]}
        ],
    }


def _connection_manager(settings: GatewaySettings) -> Config:
    return {
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "server_name": "fte",
        # What a caller can ask about, whoever answered.
        "always_set_request_id_in_response": True,
        # Whom a request comes from is what the socket says, unless a proxy we trust says otherwise.
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.gateway_trusted_hops,
        "normalize_path": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "request_headers_timeout": "5s",
        "stream_idle_timeout": "60s",
        "request_timeout": "30s",
        "max_request_headers_kb": 32,
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {"max_concurrent_streams": 1000},
        "early_header_mutation_extensions": [_first_of_all()],
        "local_reply_config": local_replies(),
        "access_log": [_access_log()],
        "route_config": {
            "max_direct_response_body_size_bytes": website.FILE_BYTES_MAX,
            "virtual_hosts": [
                {
                    "name": "public",
                    "domains": ["*"],
                    "routes": [*routes.api_routes(settings), *website.routes(settings.web_form_dir)],
                    "response_headers_to_remove": ["x-envoy-upstream-service-time"],
                }
            ],
        },
        "http_filters": filters.chain(settings, routes.token_rules()),
    }


def _first_of_all() -> Config:
    kept = ({"append": _set(ORIGINAL_PATH, "%REQ(:PATH)%")}, {"append": _set(ORIGINAL_TYPE, "%REQ(CONTENT-TYPE)%")})
    forgeable = ({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in _FORGEABLE)
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [*forgeable, *kept],
        },
    }


def _set(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _access_log() -> Config:
    """One line for each request, without the query and without an address: both may be a customer's."""
    fields = {
        "ts": "%START_TIME(%Y-%m-%dT%H:%M:%E3SZ)%",
        "service": "gateway",
        "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "upstream": "%UPSTREAM_CLUSTER%",
        "duration_ms": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "protocol": "%PROTOCOL%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": fields},
        },
    }
