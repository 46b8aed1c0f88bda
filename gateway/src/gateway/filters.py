"""The filters that every request passes: what they do on most routes, and what REST and webhooks have of their own."""

from collections.abc import Sequence

from fte import descriptors
from gateway.contracts import grpc_services
from gateway.replies import Config
from gateway.settings import GatewaySettings
from gateway.website import TEXT_TYPES

_FILTER = "type.googleapis.com/envoy.extensions.filters.http"
PROVIDER_TOKEN = "x-provider-authorization"
"""Where the bearer of a provider's call goes; what a client sends under this name is taken off."""

NOT_BUFFERED: Config = {"envoy.filters.http.buffer": {"@type": f"{_FILTER}.buffer.v3.BufferPerRoute", "disabled": True}}
# What gRPC says about itself has no meaning in a REST answer.
_WITHOUT_GRPC: list[Config] = [
    {"remove": name} for name in ("grpc-status", "grpc-message", "grpc-accept-encoding", "grpc-status-details-bin")
]


def chain(settings: GatewaySettings, token_rules: list[Config]) -> list[Config]:
    """All filters, in order, each with what holds for most routes."""
    # The order counts: what changes headers first, because on the way back it is the last to see them; the token before
    # the body is held; the transcoder last, because all others are to see REST as it came.
    return [
        _filter("lua", "lua.v3.Lua"),
        _filter("header_mutation", "header_mutation.v3.HeaderMutation", mutations={}),
        *_rate_limit(settings),
        _filter(
            "jwt_authn",
            "jwt_authn.v3.JwtAuthentication",
            providers={
                "staff": {
                    "issuer": settings.staff_jwt_issuer,
                    "audiences": [settings.staff_jwt_audience],
                    # Without it a token would be taken from the query, too, and stand in every log.
                    "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
                    # The service verifies the token again: nobody believes the gateway's word.
                    "forward": True,
                    "local_jwks": {"inline_string": settings.staff_jwks},
                    "jwt_cache_config": {"jwt_cache_size": 500},
                }
            },
            strip_failure_response=True,
            rules=token_rules,
        ),
        _filter("buffer", "buffer.v3.Buffer", max_request_bytes=settings.gateway_body_bytes_max),
        _filter(
            "compressor",
            "compressor.v3.Compressor",
            response_direction_config={"common_config": {"min_content_length": 1024, "content_type": TEXT_TYPES}},
            compressor_library={
                "name": "gzip",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"},
            },
        ),
        _filter("grpc_json_transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", **_transcoder(settings)),
        _filter("router", "router.v3.Router"),
    ]


def for_rest(settings: GatewaySettings, *, public: bool) -> Config:
    """What a REST route adds: an answer without the marks of gRPC, and room for what staff uploads."""
    own: Config = {"envoy.filters.http.header_mutation": _mutations(response=_WITHOUT_GRPC)}
    return own if public else {**own, **_buffered(settings.gateway_staff_body_bytes_max)}


def for_webhooks(settings: GatewaySettings) -> Config:
    """What a route of a provider's calls has of its own: a body of any type, any query, its own limits.

    The bearer that a provider sends is its own and none of ours: it goes on under another name, so that nobody takes it
    for a caller's. Whoever reads the call checks it, as they check signatures.
    """
    moved: list[Config] = [
        {"append": _overwrite(PROVIDER_TOKEN, "%REQ(AUTHORIZATION)%")},
        {"remove": "authorization"},
    ]
    own: Config = {
        "envoy.filters.http.header_mutation": _mutations(response=_WITHOUT_GRPC, request=moved),
        **_buffered(settings.gateway_webhook_bytes_max),
        "envoy.filters.http.grpc_json_transcoder": {
            "@type": f"{_FILTER}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
            **_transcoder(settings),
            # A signature covers the query, and a provider may add to it what it likes.
            "ignore_unknown_query_parameters": True,
            "request_validation_options": {"reject_unknown_method": True},
            "max_request_body_size": settings.gateway_webhook_bytes_max,
        },
    }
    if settings.gateway_requests_per_second:
        own["envoy.filters.http.local_ratelimit"] = {
            "@type": f"{_FILTER}.local_ratelimit.v3.LocalRateLimit",
            **_by_address("webhooks_by_address", settings.gateway_webhooks_per_second),
        }
    return own


def _buffered(bytes_max: int) -> Config:
    per_route = {"@type": f"{_FILTER}.buffer.v3.BufferPerRoute", "buffer": {"max_request_bytes": bytes_max}}
    return {"envoy.filters.http.buffer": per_route}


def _mutations(*, response: list[Config], request: Sequence[Config] = ()) -> Config:
    return {
        "@type": f"{_FILTER}.header_mutation.v3.HeaderMutationPerRoute",
        "mutations": {"request_mutations": list(request), "response_mutations": response},
    }


def _overwrite(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _transcoder(settings: GatewaySettings) -> Config:
    return {
        "proto_descriptor": str(descriptors.path()),
        "services": grpc_services(),
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "query_param_unescape_plus": True,
        # By default a body's field overrides the path's of the same name, and unknown parameters pass.
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        # What a body may be hangs on the route, and has been counted by then.
        "max_request_body_size": max(settings.gateway_body_bytes_max, settings.gateway_staff_body_bytes_max),
        "max_response_body_size": 8 * 1024 * 1024,
    }


def _rate_limit(settings: GatewaySettings) -> list[Config]:
    rate = settings.gateway_requests_per_second
    if rate == 0:
        return []
    return [_filter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", **_by_address("by_address", rate))]


def _by_address(name: str, rate: int) -> Config:
    bucket = {"max_tokens": 2 * rate, "tokens_per_fill": rate, "fill_interval": "1s"}
    # A provider gives one customer a /64 of IPv6 at least: that is one address to us.
    by_address = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
    return {
        "stat_prefix": name,
        # For whoever is not told apart by address, which is nobody: wide open.
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "filter_enforced": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "rate_limits": [{"actions": [by_address]}],
        "descriptors": [{"entries": [{"key": "masked_remote_address"}], "token_bucket": bucket}],
        "max_dynamic_descriptors": 10_000,
    }


def _filter(name: str, type_: str, **configuration: object) -> Config:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{_FILTER}.{type_}", **configuration},
    }
