from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from meshkit.comments import FieldComments
from meshkit.errors import InvalidArgument
from meshkit.interceptors.validation import check
from meshkit.status import from_rpc_error
from meshkit.testing import echo, serve

TEXT, NAME = f"{echo.echo_pb2.DESCRIPTOR.package}.SayRequest.text", f"{echo.echo_pb2.DESCRIPTOR.package}.Name.value"


@pytest.fixture
def commented() -> FileDescriptorSet:
    """The echo contract with a comment on SayRequest.text, and none on Name.value."""
    file = FileDescriptorProto()
    echo.echo_pb2.DESCRIPTOR.CopyToProto(file)
    file.source_code_info.location.add(
        path=[4, 0, 2, 0], span=[1, 1, 1], leading_comments=" What to say,\n in words.\n"
    )
    return FileDescriptorSet(file=[file])


def test_a_field_knows_its_comment_on_one_line(commented: FileDescriptorSet) -> None:
    assert FieldComments(commented).of(TEXT) == "What to say, in words."


def test_a_field_without_a_comment_has_none(commented: FileDescriptorSet) -> None:
    assert FieldComments(commented).of(NAME) == ""
    assert FieldComments().of(TEXT) == ""


async def test_a_refused_field_is_told_its_rule_and_what_the_contract_says_of_it(commented: FileDescriptorSet) -> None:
    async with serve([echo.door()], echo.OPEN_TO_ALL, contracts=commented) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await echo.stub(served.channel).Say(
                echo.echo_pb2.SayRequest(text="", names=[echo.echo_pb2.Name(value="A1")])
            )
    described = {violation.field: violation.description for violation in from_rpc_error(refused.value).violations}
    assert described["text"] == "must not be empty (What to say, in words.)"
    assert "(" not in described["names[0].value"]


async def test_where_the_contract_says_it_in_words_nobody_is_shown_an_expression(commented: FileDescriptorSet) -> None:
    commented.file[0].source_code_info.location.add(
        path=[4, 1, 2, 0], span=[2, 1, 1], leading_comments=" Lower-case letters.\n"
    )
    name = echo.echo_pb2.Name(value="A1")
    with pytest.raises(InvalidArgument) as explained:
        check(name, FieldComments(commented))
    assert explained.value.violations[0].description == "does not have the right form (Lower-case letters.)"
    with pytest.raises(InvalidArgument) as bare:
        check(name, FieldComments())
    assert "^[a-z]+$" in bare.value.violations[0].description, "without words the expression is all there is"


def test_a_value_that_an_enum_does_not_have_is_told_those_it_has() -> None:
    with pytest.raises(InvalidArgument) as refused:
        check(echo.echo_pb2.SayRequest(text="hello", mood=7), FieldComments())
    assert refused.value.violations[0].description == "must be one of: MOOD_KIND, MOOD_EARNEST"


async def test_reflection_gives_the_file_with_its_comments(commented: FileDescriptorSet) -> None:
    async with serve([echo.door()], echo.OPEN_TO_ALL, contracts=commented) as served:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(served.channel)
        question = reflection_pb2.ServerReflectionRequest(file_containing_symbol=echo.SERVICE)
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([question]))]
    files = [FileDescriptorProto.FromString(file) for file in answers[0].file_descriptor_response.file_descriptor_proto]
    (echoed,) = [file for file in files if file.name == commented.file[0].name]
    assert echoed == commented.file[0]
    assert len(files) > 1
