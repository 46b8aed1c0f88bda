"""What the contracts say that matters to a door: which path leads to which method, and who may use it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

from fte import descriptors
from fte.access import ACCESS, PUBLIC

_RAW = ".google.api.HttpBody"
_VARIABLE = re.compile(r"\{(?P<field>[^=}]+)(?:=(?P<pattern>[^}]+))?\}")
_SEGMENT = "[^/:]+"


@dataclass(frozen=True)
class Binding:
    """One REST path of one method.

    `path` is a regular expression for the whole path, without the query; `fields` are the request's fields in it.
    `raw` paths are for other companies' programs: they take a body of any type as it came (`google.api.HttpBody`).
    """

    service: str
    method: str
    verb: str
    path: str
    fields: tuple[str, ...]
    public: bool
    raw: bool


@dataclass(frozen=True)
class Method:
    """One RPC: its full name as gRPC sends it, the service of the mesh that serves it, whether it needs no token.

    `raw_fields` are the fields of its request that hold a body as it came.
    """

    service: str
    full_name: str
    public: bool
    rules: tuple[HttpRule, ...]
    raw_fields: frozenset[str]


def methods() -> list[Method]:
    """Every RPC of the mesh, in the order of the contracts."""
    return list(_methods(descriptors.load()))


def grpc_services() -> list[str]:
    """Full names of the mesh's gRPC services."""
    return sorted({method.full_name.split("/")[1] for method in methods()})


def bindings() -> list[Binding]:
    """Every REST path of the mesh."""
    return [
        Binding(
            service=method.service,
            method=method.full_name,
            verb=verb,
            path=path_expression(template),
            fields=_fields(template),
            public=method.public,
            raw=rule.body in method.raw_fields,
        )
        for method in methods()
        for rule in method.rules
        for verb, template in [_verb_and_template(rule)]
    ]


def path_expression(template: str) -> str:
    """The paths that a template of google.api.http stands for, as a regular expression (RE2)."""
    expression, end = "", 0
    for variable in _VARIABLE.finditer(template):
        expression += re.escape(template[end : variable.start()])
        pattern = variable["pattern"] or "*"
        expression += "/".join(_SEGMENT if part == "*" else re.escape(part) for part in pattern.split("/"))
        end = variable.end()
    # re.escape is for Python's own syntax, where a hyphen may mean something; to RE2 it must not be escaped.
    return (expression + re.escape(template[end:])).replace("\\-", "-")


def _fields(template: str) -> tuple[str, ...]:
    return tuple(variable["field"] for variable in _VARIABLE.finditer(template))


def _methods(contracts: FileDescriptorSet) -> Iterator[Method]:
    requests = {f".{file.package}.{message.name}": message for file in contracts.file for message in file.message_type}
    for file in contracts.file:
        if not file.package.startswith("fte."):
            continue
        for service in file.service:
            for method in service.method:
                full_name = f"/{file.package}.{service.name}/{method.name}"
                yield Method(
                    service=file.package.split(".")[1],
                    full_name=full_name,
                    public=PUBLIC in ACCESS[full_name],
                    rules=tuple(_rules(method)),
                    raw_fields=frozenset(
                        field.name for field in requests[method.input_type].field if field.type_name == _RAW
                    ),
                )


def _rules(method: MethodDescriptorProto) -> Iterator[HttpRule]:
    if method.options.HasExtension(annotations_pb2.http):
        rule = method.options.Extensions[annotations_pb2.http]
        yield rule
        yield from rule.additional_bindings


def _verb_and_template(rule: HttpRule) -> tuple[str, str]:
    verb = rule.WhichOneof("pattern")
    if verb is None or verb == "custom":
        raise ValueError("a REST path needs one of get, put, post, delete and patch")
    return verb.upper(), getattr(rule, verb)
