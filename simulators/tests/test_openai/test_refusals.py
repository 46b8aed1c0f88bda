"""What OpenAI refuses is refused in its own shape, and its client raises what it would raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from simulators.tests.test_openai.conftest import Control

USER = {"role": "user", "content": "Hello"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}],
}
RETURNED = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}


async def ask(client: openai.AsyncOpenAI, model: str = "gpt-4o", **rest: Any) -> Any:
    messages: Any = rest.pop("messages", [USER])
    return await client.chat.completions.create(model=model, messages=messages, **rest)


async def test_no_key_and_a_wrong_key_are_401(control: Control) -> None:
    control.post("/settings", {"keys": ["sk-right"]})
    bare = control.http.get(f"{control.url}/v1/models")
    assert bare.status_code == 401
    assert bare.json()["error"]["type"] == "invalid_request_error"
    assert control.http.get(f"{control.url}/v1/models/gpt-4o").status_code == 401
    async with openai.AsyncOpenAI(api_key="sk-wrong", base_url=f"{control.url}/v1", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await ask(client)
    assert refused.value.code == "invalid_api_key"
    async with openai.AsyncOpenAI(api_key="sk-right", base_url=f"{control.url}/v1", max_retries=0) as client:
        await ask(client)
    shown = control.http.get("/settings").text + control.http.get("/requests").text
    assert "sk-" not in shown


@pytest.mark.parametrize("model", ["gpt-of-tomorrow", "text-embedding-3-small"])
async def test_a_model_that_does_not_answer_here_is_404(
    client: openai.AsyncOpenAI, control: Control, model: str
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await ask(client, model)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model=model, input="Hello")
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model="gpt-4o", input="Hello")


async def test_more_input_than_the_context_holds_is_400_with_its_code(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    long = "word " * 130_000
    for asking in (
        ask(client, messages=[{"role": "user", "content": long}]),
        client.responses.create(model="gpt-4o", input=long),
        client.embeddings.create(model="text-embedding-3-small", input="word " * 9000),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await asking
        assert refused.value.code == "context_length_exceeded"


async def test_the_limits_of_a_minute_are_told_in_headers_and_kept(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.post("/settings", {"requestsPerMinute": 2})
    first = await client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[USER])  # type: ignore[list-item] # as a dict, as everywhere here
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-request-id"].startswith("req_")
    await ask(client)
    with pytest.raises(openai.RateLimitError) as refused:
        await ask(client)
    assert refused.value.code == "rate_limit_exceeded"
    headers = refused.value.response.headers
    assert 0 < int(headers["retry-after"]) <= 30
    assert headers["x-ratelimit-remaining-requests"] == "0"
    control.post("/settings", {"requestsPerMinute": 100, "tokensPerMinute": 10})
    with pytest.raises(openai.RateLimitError) as refused:
        await ask(client, messages=[{"role": "user", "content": "word " * 20}])
    assert refused.value.type == "tokens"


@pytest.mark.parametrize(
    ("status", "code", "raised", "shown"),
    [
        (401, None, openai.AuthenticationError, "invalid_api_key"),
        (403, "unsupported_country_region_territory", openai.PermissionDeniedError, None),
        (429, None, openai.RateLimitError, "rate_limit_exceeded"),
        (429, "insufficient_quota", openai.RateLimitError, "insufficient_quota"),
        (400, "context_length_exceeded", openai.BadRequestError, "context_length_exceeded"),
        (500, None, openai.InternalServerError, None),
        (503, None, openai.InternalServerError, None),
    ],
)
async def test_a_fault_by_its_status_is_worded_as_openai_words_it(
    client: openai.AsyncOpenAI,
    control: Control,
    status: int,
    code: str | None,
    raised: type[openai.APIStatusError],
    shown: str | None,
) -> None:
    control.fault(on="chat.completions.create", kind="status", status=status, code=code)
    with pytest.raises(raised) as refused:
        await ask(client)
    assert refused.value.code == (shown or code)
    assert ("retry-after" in refused.value.response.headers) == (shown == "rate_limit_exceeded")
    await ask(client)


async def test_the_clients_own_retries_come_through_two_429s(control: Control) -> None:
    control.fault(kind="status", status=429, seconds=0.01, times=2)
    async with openai.AsyncOpenAI(api_key="sk-any", base_url=f"{control.url}/v1", max_retries=2) as client:
        await ask(client)
    assert [request["status"] for request in control.requests()] == [429, 429, 200]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [USER]}, "model"),
        ({"model": "gpt-4o"}, "messages"),
        ({"model": "gpt-4o", "messages": []}, "messages"),
        ({"model": "gpt-4o", "messages": [{"role": "pirate", "content": "Ahoy"}]}, "messages[0].role"),
        ({"model": "gpt-4o", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "gpt-4o", "messages": [USER, CALLED, USER]}, "messages"),
        ({"model": "gpt-4o", "messages": [USER, CALLED, USER, RETURNED]}, "messages"),
        (
            {"model": "gpt-4o", "messages": [USER, RETURNED]},
            "messages[1].role",
        ),
        ({"model": "gpt-4o", "messages": [USER], "tool_choice": "required"}, "tool_choice"),
        ({"model": "gpt-4o", "messages": [USER], "temperature": 3}, "temperature"),
        ({"model": "gpt-4o", "messages": [USER], "max_tokens": 0}, "max_tokens"),
        (
            {
                "model": "gpt-4o",
                "messages": [USER],
                "tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": LOOSE}}],
            },
            "tools[0].function.parameters",
        ),
        (
            {
                "model": "gpt-4o",
                "messages": [USER],
                "tools": [{"type": "function", "function": {"name": "delete everything"}}],
            },
            "tools[0].function.name",
        ),
    ],
)
def test_a_malformed_chat_is_refused_by_the_parameter(control: Control, body: Any, param: str) -> None:
    refused = control.call("chat/completions", body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "Hello"}, "model"),
        ({"model": "gpt-4o"}, "input"),
        ({"model": "gpt-4o", "input": 7}, "input"),
        ({"model": "gpt-4o", "input": [{"type": "telepathy"}]}, "input[0].type"),
        ({"model": "gpt-4o", "input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
        (
            {"model": "gpt-4o", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]},
            "input",
        ),
        ({"model": "gpt-4o", "input": "Hello", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"model": "gpt-4o", "input": "Hello", "stream": "yes"}, "stream"),
    ],
)
def test_a_malformed_response_request_is_refused_by_the_parameter(control: Control, body: Any, param: str) -> None:
    refused = control.call("responses", body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


@pytest.mark.parametrize("content", [b"{", b"[]", b"7", b"\xff", b'{"model":' + b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(control: Control, content: bytes) -> None:
    for path in ("chat/completions", "responses", "embeddings"):
        refused = control.call(path, content=content)
        assert refused.status_code == 400
        assert "JSON" in refused.json()["error"]["message"]


@pytest.mark.parametrize("given", [[], "", [""], {}, 7, [[]], ["x"] * 2049])
def test_embeddings_of_nothing_are_refused(control: Control, given: Any) -> None:
    body = {"model": "text-embedding-3-small", "input": given}
    refused = control.call("embeddings", body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input"


def test_an_unknown_path_and_a_wrong_method_answer_in_the_same_shape(control: Control) -> None:
    assert control.http.get(f"{control.url}/v1/files").json()["error"]["type"] == "invalid_request_error"
    wrong = control.http.get(f"{control.url}/v1/responses")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, None)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({}, "at least one"),
        ({"answers": [{}]}, "one of the four"),
        ({"answers": [{"text": "x", "status": 500}]}, "one of the four"),
        ({"answers": [{"behaviour": "sulks"}]}, "behaviour"),
        ({"answers": [{"text": "x", "seconds": -1}]}, "seconds"),
        ({"answers": ["x"] * 1001}, "answers"),
        ({"answers": ["x"], "when": ""}, "when"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused_with_its_rule(control: Control, body: Any, rule: str) -> None:
    refused = control.http.post("/script", json=body)
    assert refused.status_code == 400
    assert rule in str(refused.json()["errors"])
    assert control.http.get("/script").json() == {"scripts": []}


def test_settings_that_make_no_sense_are_refused_and_change_nothing(control: Control) -> None:
    before = control.http.get("/settings").json()
    bodies: list[Any] = [{"latency": -1}, {"speed": 1}, {"requestsPerMinute": 0}, []]
    for body in bodies:
        assert control.http.post("/settings", json=body).status_code == 400
    assert control.http.get("/settings").json() == before
    assert control.http.get("/requests", params={"limit": "0"}).status_code == 400
