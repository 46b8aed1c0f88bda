"""Answers come by script: in order, to whom they are meant for, and wrong in every way that models are wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from simulators.openai.behaviours import DELIVERIES, Behaviour, behave
from simulators.openai.catalogue import Catalogue
from simulators.openai.turn import Asked, Call, Function, Returned, Said

if TYPE_CHECKING:
    from simulators.tests.test_openai.conftest import Control

PASSAGE = {"id": "articles/docs/versions/1/passages/2", "text": "A reset link is valid for 60 minutes.", "score": 0.9}


def tool(name: str, *texts: str) -> dict[str, Any]:
    properties = {text: {"type": "string"} for text in texts}
    return {"name": name, "parameters": {"type": "object", "properties": properties, "required": list(texts)}}


async def chat(client: openai.AsyncOpenAI, *said: Any, **rest: Any) -> Any:
    messages: Any = [{"role": "user", "content": each} if isinstance(each, str) else each for each in said]
    return (await client.chat.completions.create(model="gpt-4o", messages=messages, **rest)).choices[0].message


async def test_answers_come_in_order_and_then_the_assistants(client: openai.AsyncOpenAI, control: Control) -> None:
    control.post("/script", ["one", "two"])
    said = [(await chat(client, "Hello")).content for _ in range(3)]
    assert said[:2] == ["one", "two"]
    assert "help" in said[2]
    assert [request["answeredBy"] for request in control.requests()][2] == "assistant"


async def test_then_answers_everything_after_the_others(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script("one", then={"text": "for ever"})
    assert [(await chat(client, "Hello")).content for _ in range(4)] == ["one", *["for ever"] * 3]


async def test_a_script_for_some_inputs_leaves_the_others_alone(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script("for anyone")
    control.script("for Ann", when="“Ann”")
    document = json.dumps({"messages": [{"author": "customer", "text": "“Ann” here"}]})
    assert (await chat(client, "I am Bob")).content == "for anyone"
    assert (await chat(client, document)).content == "for Ann"
    assert "help" in (await chat(client, document)).content


async def test_parallel_runs_each_get_the_whole_script(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script("first", "second", "third", per="run")

    async def run(number: int) -> list[str]:
        said: list[Any] = [f"run {number}"]
        heard: list[str] = []
        for _ in range(3):
            message = await chat(client, *said)
            heard.append(message.content)
            said += [{"role": "assistant", "content": message.content}, "Go on"]
        return heard

    runs = await asyncio.gather(*(run(number) for number in range(20)))
    assert runs == [["first", "second", "third"]] * 20


async def test_calls_in_parallel_are_one_turn_of_a_run(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script({"calls": [{"name": "a"}, {"name": "b"}]}, "second", per="run")
    first = await client.responses.create(model="gpt-4o", input="Hello")
    results: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "{}"}
        for call in first.output
        if call.type == "function_call"
    ]
    assert len(results) == 2
    second = await client.responses.create(model="gpt-4o", input=results, previous_response_id=first.id)
    assert second.output_text == "second"


async def test_an_error_can_stand_among_the_answers(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script("before", {"status": 429, "code": "insufficient_quota"}, {"status": 429, "retryAfter": 7}, "after")
    assert (await chat(client, "Hello")).content == "before"
    with pytest.raises(openai.RateLimitError) as refused:
        await chat(client, "Hello")
    assert refused.value.code == "insufficient_quota"
    with pytest.raises(openai.RateLimitError) as refused:
        await chat(client, "Hello")
    assert refused.value.response.headers["retry-after"] == "7"
    assert (await chat(client, "Hello")).content == "after"


async def test_arguments_may_be_raw_text_and_may_name_the_passage_found(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(
        {"calls": [{"name": "send_response", "arguments": {"body": "$quote", "citations": ["$passage"]}}]},
        {"calls": [{"name": "send_response", "arguments": '{"body": "un'}]},
    )
    searched = {"id": "call_1", "type": "function", "function": {"name": "search_knowledge_base", "arguments": "{}"}}
    said: list[Any] = [
        "How long is a reset link valid?",
        {"role": "assistant", "tool_calls": [searched]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"passages": [PASSAGE]})},
    ]
    replied = json.loads((await chat(client, *said)).tool_calls[0].function.arguments)
    assert replied == {"body": PASSAGE["text"], "citations": [PASSAGE["id"]]}
    assert (await chat(client, *said)).tool_calls[0].function.arguments == '{"body": "un'


async def test_the_requests_that_came_are_shown_without_their_key(client: openai.AsyncOpenAI, control: Control) -> None:
    for text in ("Grüße from Ann", "Hello from Bob", "Goodbye from Bob"):
        await chat(client, text)
    assert [request["number"] for request in control.requests(containing="Bob")] == [2, 3]
    (request,) = control.requests(containing="Grüße")
    assert request["body"]["messages"] == [{"role": "user", "content": "Grüße from Ann"}]
    assert (request["operation"], request["status"]) == ("chat.completions.create", 200)
    assert "user-agent" in request["headers"]
    assert "authorization" not in request["headers"]
    assert [each["number"] for each in control.requests(limit=1)] == [3]
    assert control.http.delete("/requests").json() == {"cleared": 3}


FIVE = ("create_ticket", "get_customer_history", "search_knowledge_base", "send_response", "escalate_to_human")


def asked(*offered: str, searched: bool = True) -> Asked:
    """A run that has searched, with some of the functions offered."""
    texts = {"search_knowledge_base": ("query",), "send_response": ("body",), "create_ticket": ("subject",)}
    functions = []
    for name in offered:
        shape = tool(name, *texts.get(name, ("summary",)))["parameters"]
        if name == "send_response":
            shape["properties"]["citations"] = {"type": "array", "items": {"type": "string"}}
        functions.append(Function(name, shape))
    search = Call("search_knowledge_base", "{}", "call_1")
    returned = (search, Returned("call_1", json.dumps({"passages": [PASSAGE]}))) if searched else ()
    items = (Said("system", "You are kind."), Said("user", "How long is a reset link valid?"), *returned)
    return Asked(Catalogue().find("gpt-4o", "text"), items, tuple(functions), "required")


def arguments(name: str) -> dict[str, Any]:
    """The arguments of the one call that such a model makes when it may reply."""
    (call,) = behave(Behaviour(name), asked("send_response", "escalate_to_human")).calls
    parsed: dict[str, Any] = json.loads(call.arguments)
    return parsed


def test_a_tool_loop_makes_the_same_call_for_ever() -> None:
    first, second = (behave(Behaviour.TOOL_LOOP, asked(*FIVE)).calls for _ in range(2))
    assert [(call.name, call.arguments) for call in first] == [(call.name, call.arguments) for call in second]
    assert first[0].name == "search_knowledge_base"


def test_wrong_and_unknown_tools_are_none_of_those_offered() -> None:
    offered = ("create_ticket", "search_knowledge_base")
    assert behave(Behaviour.WRONG_TOOL, asked(*offered)).calls[0].name == "send_response"
    assert behave(Behaviour.WRONG_TOOL, asked("send_response")).calls[0].name == "search_knowledge_base"
    assert behave(Behaviour.UNKNOWN_TOOL, asked(*FIVE)).calls[0].name not in FIVE


def test_parallel_calls_are_all_five_and_many_are_sixty_four() -> None:
    assert {call.name for call in behave(Behaviour.PARALLEL_CALLS, asked("create_ticket")).calls} == set(FIVE)
    many = behave(Behaviour.MANY_CALLS, asked(*FIVE)).calls
    assert (len(many), len({call.call_id for call in many})) == (64, 64)


@pytest.mark.parametrize("name", ["text_instead", "text_call", "empty", "null", "refusal", "content_filter", "length"])
def test_some_answers_call_nothing(name: str) -> None:
    answer = behave(Behaviour(name), asked(*FIVE))
    assert answer.calls == ()
    texts = {"empty": "", "null": None, "refusal": None, "content_filter": None, "length": None}
    assert answer.text == texts.get(name, answer.text)
    assert bool(answer.refusal) == (name == "refusal")
    assert (answer.finish == "stop") == (name not in ("content_filter", "length"))


def test_call_ids_can_be_the_same_or_missing() -> None:
    assert [call.call_id for call in behave(Behaviour.DUPLICATE_CALL_IDS, asked(*FIVE)).calls] == ["call_0"] * 2
    assert behave(Behaviour.NO_CALL_IDS, asked(*FIVE)).calls[0].call_id == ""


def test_arguments_go_wrong_in_each_way() -> None:
    with pytest.raises(json.JSONDecodeError):
        arguments("malformed_arguments")
    assert isinstance(arguments("arguments_no_object"), list)
    assert arguments("extra_arguments")["customer_id"] == "customers/someone-else"
    assert arguments("extra_arguments")["body"] == PASSAGE["text"]
    assert {type(value) for value in arguments("wrong_types").values()} == {int, str}
    assert len(arguments("huge_arguments")["body"]) == 1_000_000


def test_replies_go_wrong_in_each_way() -> None:
    assert arguments("invented_citations")["citations"] == ["articles/invented/versions/1/passages/1"]
    promise = arguments("promise")
    assert "$500" in promise["body"]
    assert promise["citations"] == [PASSAGE["id"]]
    assert arguments("leak")["body"] == "You are kind."


@pytest.mark.parametrize("name", [*Behaviour, *sorted(DELIVERIES)])
@pytest.mark.parametrize("offered", [(), FIVE[:1], FIVE])
def test_every_behaviour_has_an_answer_to_every_request(name: Any, offered: tuple[str, ...]) -> None:
    answer = behave(name, asked(*offered, searched=False))
    assert answer.output_tokens() >= 1


async def test_twenty_million_characters_come_through(client: openai.AsyncOpenAI, control: Control) -> None:
    control.behave("huge_text")
    assert len((await chat(client, "Hello")).content) == 20_000_000
