"""Every way in which a model's server fails, as OpenAI's client meets it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from simulators.tests.test_openai.conftest import Control

TEXT = "Open Settings and choose Reset password. A link arrives by email within five minutes."


def impatient(control: Control) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-any", base_url=f"{control.url}/v1", max_retries=0, timeout=0.3)


async def chat(client: openai.AsyncOpenAI, **rest: Any) -> Any:
    return await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], **rest)


async def respond(client: openai.AsyncOpenAI, **rest: Any) -> Any:
    return await client.responses.create(model="gpt-4o", input="Hello", **rest)


async def listen(stream: Any, heard: list[Any]) -> None:
    async for event in stream:
        heard.append(event)


ASKING = pytest.mark.parametrize("ask", [chat, respond])


@ASKING
@pytest.mark.parametrize("stream", [False, True])
async def test_a_hanging_answer_lasts_until_the_caller_gives_up(control: Control, ask: Any, stream: bool) -> None:
    control.behave("hang")
    async with impatient(control) as client:
        with pytest.raises(openai.APITimeoutError):
            await ask(client, stream=stream)
    assert control.requests()[0]["status"] == 0
    _until(lambda: control.http.get("/requests").json()["waiting"] == 0)


@ASKING
async def test_a_stalled_answer_begins_and_never_ends(control: Control, ask: Any) -> None:
    control.script(*[{"text": TEXT, "delivery": "stalled"}] * 2)
    async with impatient(control) as client:
        with pytest.raises(openai.APIError):
            await ask(client)
        heard: list[Any] = []
        with pytest.raises(openai.APITimeoutError):
            await listen(await ask(client, stream=True), heard)
        assert heard


@ASKING
async def test_a_truncated_answer_begins_and_is_cut_off(client: openai.AsyncOpenAI, control: Control, ask: Any) -> None:
    control.script(*[{"text": TEXT, "delivery": "truncated"}] * 2, "Whole.")
    with pytest.raises(openai.APIError):
        await ask(client)
    heard: list[Any] = []
    with pytest.raises(openai.APIConnectionError):
        await listen(await ask(client, stream=True), heard)
    assert heard
    await ask(client)


@ASKING
def test_malformed_json_comes_with_a_status_of_200(control: Control, ask: Any) -> None:
    control.behave("malformed_json")
    path = "chat/completions" if ask is chat else "responses"
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "input": "Hello"}
    answer = control.call(path, body)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@ASKING
@pytest.mark.parametrize("by_fault", [False, True])
async def test_a_stream_with_malformed_json_cannot_be_read(
    client: openai.AsyncOpenAI, control: Control, ask: Any, by_fault: bool
) -> None:
    if by_fault:
        control.fault(kind="malformed")
    else:
        control.behave("malformed_json")
    with pytest.raises(json.JSONDecodeError):
        await listen(await ask(client, stream=True), [])


@ASKING
@pytest.mark.parametrize("name", ["html", "empty_body"])
async def test_a_proxys_page_and_an_empty_body_come_with_a_status_of_200(
    client: openai.AsyncOpenAI, control: Control, ask: Any, name: str
) -> None:
    control.behave(name)
    raw = client.chat.completions if ask is chat else client.responses
    answer: Any = raw.with_raw_response
    given: Any = {"messages": [{"role": "user", "content": "Hello"}]} if ask is chat else {"input": "Hello"}
    response = (await answer.create(model="gpt-4o", **given)).http_response
    assert response.status_code == 200
    assert response.text.startswith("<html>" if name == "html" else "")
    assert "choices" not in response.text


@ASKING
async def test_an_error_in_the_middle_of_a_stream_is_raised(
    client: openai.AsyncOpenAI, control: Control, ask: Any
) -> None:
    control.behave("stream_error")
    heard: list[Any] = []
    if ask is chat:
        with pytest.raises(openai.APIError, match="error"):
            await listen(await ask(client, stream=True), heard)
    else:
        await listen(await ask(client, stream=True), heard)
        assert (heard[-1].type, heard[-1].code) == ("error", "server_error")
    assert heard
    with pytest.raises(openai.InternalServerError):
        await ask(client)


async def test_an_answer_without_choices_or_usage(client: openai.AsyncOpenAI, control: Control) -> None:
    control.script(*[{"behaviour": "no_choices"}] * 2, *[{"behaviour": "no_usage"}] * 2)
    assert (await chat(client)).choices == []
    assert (await respond(client)).output == []
    assert (await chat(client)).usage is None
    assert (await respond(client)).usage is None


@pytest.mark.parametrize("kind", ["status_after", "malformed"])
async def test_work_that_is_done_may_be_answered_as_if_it_were_not(
    client: openai.AsyncOpenAI, control: Control, kind: str
) -> None:
    control.script("Once.")
    control.fault(kind=kind)
    with pytest.raises((openai.APIError, json.JSONDecodeError)):
        await chat(client)
    assert (await chat(client)).choices[0].message.content != "Once."


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_a_reset_connection_is_an_error_of_the_connection(
    client: openai.AsyncOpenAI, control: Control, kind: str
) -> None:
    control.script("Once.")
    control.fault(on="chat.completions.create", kind=kind)
    with pytest.raises(openai.APIConnectionError):
        await chat(client)
    again = (await chat(client)).choices[0].message.content
    assert (again == "Once.") == (kind == "reset_before")


async def test_latency_is_added_by_settings_by_faults_and_by_scripts(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    control.post("/settings", {"latency": 0.1})
    control.fault(kind="latency", seconds=0.1)
    control.fault(kind="latency_after", seconds=0.1)
    control.script({"text": "Slowly.", "seconds": 0.1})
    began = time.monotonic()
    assert (await respond(client)).output_text == "Slowly."
    assert time.monotonic() - began >= 0.4
    control.post("/settings", {"latency": 30})
    control.post("/settings", {"latency": 0})
    began = time.monotonic()
    await respond(client)
    assert time.monotonic() - began < 20


async def test_a_paced_stream_takes_its_time_between_events(client: openai.AsyncOpenAI, control: Control) -> None:
    control.post("/settings", {"pace": 0.02})
    control.script("one two three four five six seven eight nine ten")
    began = time.monotonic()
    assert len([chunk async for chunk in await chat(client, stream=True)]) >= 10
    assert time.monotonic() - began >= 0.2


def test_a_body_of_more_than_32_mib_is_refused_and_not_kept(control: Control) -> None:
    refused = control.call("responses", content=b"x" * (33 * 1024 * 1024))
    assert refused.status_code == 413
    assert control.requests() == []


def _until(condition: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
