"""OpenAI's own client works against the simulator: answers, streams, calls, embeddings, models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from simulators.tests.test_openai.conftest import Control

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
CALL = {"calls": [{"name": "get_weather", "arguments": {"city": "Graz", "unit": "c"}}]}
TEXT = "Open Settings and choose Reset password."


async def chat(client: openai.AsyncOpenAI, text: str = "Hello", **rest: Any) -> Any:
    messages: Any = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": text}]
    return await client.chat.completions.create(model="gpt-4o", messages=messages, **rest)


async def respond(client: openai.AsyncOpenAI, text: str = "Hello", **rest: Any) -> Any:
    return await client.responses.create(model="gpt-4o", input=text, instructions="You are kind.", **rest)


async def test_a_chat_completion_says_the_scripted_words_and_counts_tokens(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(TEXT)
    answer = await chat(client)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-2024-08-06"
    assert 8 <= answer.usage.completion_tokens <= 11
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_a_response_says_the_scripted_words_and_counts_tokens(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(TEXT)
    answer = await respond(client)
    assert answer.output_text == TEXT
    assert (answer.status, answer.error) == ("completed", None)
    assert answer.instructions == "You are kind."
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


async def test_a_chat_completion_streams_the_same_words_and_ends_with_its_usage(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(TEXT)
    stream = await chat(client, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == TEXT
    assert len([piece for piece in pieces if piece]) >= 5
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens >= 8


async def test_a_response_streams_the_same_words_as_numbered_events(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(TEXT)
    events = [event async for event in await respond(client, stream=True)]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert events[-1].response.output_text == TEXT
    assert events[-1].response.usage.output_tokens >= 8


async def test_calls_come_whole_and_in_streams_of_both_interfaces(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script(*[CALL] * 4)
    tools = [{"type": "function", "function": WEATHER}]
    message = (await chat(client, tools=tools)).choices[0]
    assert message.finish_reason == "tool_calls"
    arguments = [message.message.tool_calls[0].function.arguments]
    chunks = [chunk async for chunk in await chat(client, tools=tools, stream=True)]
    deltas = [call.function for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert deltas[0].name == "get_weather"
    arguments.append("".join(delta.arguments for delta in deltas))

    flat = [{"type": "function", **WEATHER}]
    (item,) = (await respond(client, tools=flat)).output
    arguments.append(item.arguments)
    events = [event async for event in await respond(client, tools=flat, stream=True)]
    pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    arguments.append("".join(pieces))
    assert [json.loads(each) for each in arguments] == [{"city": "Graz", "unit": "c"}] * 4
    assert len({item.call_id, message.message.tool_calls[0].id}) == 2


async def test_the_result_of_a_call_goes_back_and_is_talked_about(client: openai.AsyncOpenAI, control: Control) -> None:
    tools: Any = [{"type": "function", **WEATHER}]
    first = await respond(client, "How is Graz?", tools=tools, tool_choice="required")
    call = first.output[0]
    assert call.name == "get_weather"
    assert json.loads(call.arguments)["unit"] in ("c", "f")
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "Sunny, 21 degrees"}]
    second = await client.responses.create(model="gpt-4o", input=result, tools=tools, previous_response_id=first.id)
    assert "Sunny, 21 degrees" in second.output_text


async def test_a_response_that_was_not_stored_cannot_be_gone_on_from(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    first = await respond(client, store=False)
    with pytest.raises(openai.BadRequestError) as refused:
        await respond(client, previous_response_id=first.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


async def test_embeddings_are_unit_vectors_nearer_for_texts_that_share_words(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    texts = ["Reset a forgotten password", "I forgot my password", "Export all invoices as a table"]
    # The client asks for base64 by itself, and for floats when it is told to.
    packed = await client.embeddings.create(model="text-embedding-3-small", input=texts)
    plain = await client.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    vectors = [each.embedding for each in packed.data]
    assert vectors[0] == pytest.approx(plain.data[0].embedding)
    assert [len(vector) for vector in vectors] == [1536] * 3
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-5)

    def near(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert near(vectors[0], vectors[1]) > near(vectors[0], vectors[2])
    assert packed.usage.prompt_tokens >= 12
    short = await client.embeddings.create(model="text-embedding-3-large", input="x", dimensions=256)
    assert len(short.data[0].embedding) == 256


async def test_models_are_listed_and_found_and_unknown_ones_are_404(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.post("/settings", {"models": ["our-own"]})
    names = [model.id async for model in client.models.list()]
    assert {"gpt-4o", "our-own", "text-embedding-3-small"} <= set(names)
    assert (await client.models.retrieve("our-own")).id == "our-own"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-of-tomorrow")


async def test_an_answer_longer_than_it_may_be_is_cut_and_says_so(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script("word " * 100, "word " * 100, CALL)
    completed = await chat(client, max_completion_tokens=10)
    assert completed.choices[0].finish_reason == "length"
    assert completed.usage.completion_tokens <= 11
    answered = await respond(client, max_output_tokens=16)
    assert (answered.status, answered.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    cut = await chat(client, max_tokens=12)
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.choices[0].message.tool_calls[0].function.arguments)


async def test_what_an_answer_claims_to_have_cost_can_be_scripted(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script({"text": "Yes.", "usage": {"input": 5000, "output": 70, "cached": 4096}})
    usage = (await respond(client)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (5000, 70, 5070)
    assert usage.input_tokens_details.cached_tokens == 4096


async def test_answers_of_every_kind_have_the_fields_that_the_client_declares(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.script(*[{"text": "Let me look.", **CALL}] * 2, *[{"refusal": "No."}] * 2)
    for _ in range(2):
        completed = await chat(client)
        assert type(completed).model_validate_json(completed.to_json(), strict=False).model_extra == {}
        answered = await respond(client)
        extra = type(answered).model_validate_json(answered.to_json(), strict=False).model_extra or {}
        # OpenAI sends it, and the client's types do not know it.
        assert extra.keys() <= {"store"}
