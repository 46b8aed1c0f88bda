"""An OpenAI-compatible endpoint as the model, over real HTTP, and the local model standing in when it fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import openai
import pytest
from agents import ModelSettings, ModelTracing

from agent.app import Endpoint, models
from agent.model import Ending, Reason
from agent.settings import Settings
from agent.thinking.local_rules import NAME, LocalRulesModel, Thresholds
from agent.thinking.models import Interface, endpoint_model
from meshkit.testing import settings_for

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

QUESTION = "How do I reset my password?"
PASSAGE = "articles/product-docs/versions/1/passages/2"
SCRIPT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_ticket", {"subject": "Password", "category": "technical", "priority": "low"}),
    ("get_customer_history", {}),
    ("search_knowledge_base", {"query": "reset password"}),
    (
        "send_response",
        {
            "body": "Hello! A password reset link is valid for 60 minutes and works once. "
            "Open the sign-in page and select Forgot password.",
            "citations": [PASSAGE],
        },
    ),
)


@dataclass
class Server:
    """An HTTP server that answers as `answer` says: a status and a body for each request's number, from 0."""

    answer: Callable[[int, dict[str, Any]], tuple[int, Any]]
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""


def chat_completion(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
    }


def chat_text(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def response(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = {
        "type": "function_call",
        "id": "fc",
        "call_id": "call_0",
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }
    return {
        "id": "r",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "output": [call],
        "parallel_tool_calls": False,
        "tool_choice": "required",
        "tools": [],
        "status": "completed",
    }


@pytest.fixture
def endpoint() -> Iterator[Server]:
    """A server on a free port; set its `answer` in the test."""
    state = Server(lambda number, request: (500, {}))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            number = len(state.requests)
            state.requests.append((self.path, request))
            status, body = state.answer(number, request)
            raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()


async def answer(neighbours: Neighbours, endpoint: Server, interface: Interface = "chat_completions") -> Any:
    """One run over QUESTION with the endpoint first and the local rules behind it; the run and the desk's endings."""
    settings = settings_for(
        Settings,
        tickets_address="127.0.0.1:1",
        knowledge_address="127.0.0.1:1",
        openai_base_url=endpoint.url,
        openai_model="test-model",
        openai_api=interface,
        openai_seconds=1.0,
    )
    async with openai.AsyncOpenAI(api_key="none", base_url=endpoint.url, max_retries=0, timeout=1.0) as client:
        filed = neighbours.desk.file(QUESTION)
        run = await neighbours.answers(models=models(settings, [Endpoint("test-model", client, interface)])).answer(
            filed
        )
    return run, neighbours.desk.endings(filed)


@pytest.mark.parametrize(
    ("interface", "form", "path"),
    [
        ("chat_completions", chat_completion, "/v1/chat/completions"),
        ("responses", response, "/v1/responses"),
    ],
)
async def test_an_endpoint_of_either_interface_answers_through_the_five_tools(
    neighbours: Neighbours,
    endpoint: Server,
    interface: Interface,
    form: Callable[[str, dict[str, Any]], dict[str, Any]],
    path: str,
) -> None:
    endpoint.answer = lambda number, request: (200, form(*SCRIPT[number]))
    run, [ending] = await answer(neighbours, endpoint, interface)
    assert (run.ending, run.model) == (Ending.REPLIED, "test-model")
    assert ending.request.text == (
        "A password reset link is valid for 60 minutes and works once. "
        "Open the sign-in page and select Forgot password."
    )
    assert {asked for asked, _ in endpoint.requests} == {path}
    for _, request in endpoint.requests:
        assert request["tool_choice"] == "required"
        assert request["store"] is False
    offered = [sorted(_name(tool) for tool in request["tools"]) for _, request in endpoint.requests]
    assert offered[0] == ["create_ticket"]
    assert "send_response" not in offered[1] + offered[2]
    assert "send_response" in offered[3]


def _name(tool: dict[str, Any]) -> str:
    name: str = tool["name"] if "name" in tool else tool["function"]["name"]
    return name


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"error": {"message": "no money", "code": "insufficient_quota"}}),
        (401, {"error": {"message": "who are you"}}),
        (400, {"error": {"message": "context too long"}}),
        (200, "<html>gateway</html>"),
        (200, {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": []}),
        (200, chat_text("I would rather talk.")),
        (200, chat_completion("send_response", {"body": "x" * 70_000, "citations": []})),
    ],
)
async def test_the_local_model_stands_in_for_an_endpoint_that_no_wait_helps(
    neighbours: Neighbours, endpoint: Server, fault: tuple[int, Any]
) -> None:
    endpoint.answer = lambda number, request: fault
    run, endings = await answer(neighbours, endpoint)
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert len(endings) == 1
    assert len(endpoint.requests) == 1


async def test_the_local_model_stands_in_for_an_endpoint_that_hangs(neighbours: Neighbours, endpoint: Server) -> None:
    def hang(number: int, request: dict[str, Any]) -> tuple[int, Any]:
        endpoint.released.wait(20)
        return 500, {}

    endpoint.answer = hang
    run, endings = await answer(neighbours, endpoint)
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert len(endings) == 1


async def test_the_local_model_goes_on_where_an_endpoint_fails_in_the_middle_of_a_run(
    neighbours: Neighbours, endpoint: Server
) -> None:
    endpoint.answer = lambda number, request: (200, chat_completion(*SCRIPT[number])) if number < 3 else (503, {})
    run, endings = await answer(neighbours, endpoint)
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert len(endings) == 1
    assert len(neighbours.knowledge.queries) == 1
    assert [told.method for told in neighbours.desk.told].count("TriageTicket") == 1


async def test_an_endpoint_that_never_ends_is_ended_by_its_turns(neighbours: Neighbours, endpoint: Server) -> None:
    endpoint.answer = lambda number, request: (200, chat_completion("delete_customer", {}))
    run, [ending] = await answer(neighbours, endpoint)
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.AGENT_FAILED)
    assert len(endpoint.requests) == 10
    assert ending.method == "EscalateTicket"
    assert "A colleague from our support team" in ending.request.message


async def test_a_reply_that_no_passage_supports_goes_to_a_person(neighbours: Neighbours, endpoint: Server) -> None:
    invented = ("send_response", {"body": "A reset link is valid for 24 hours.", "citations": [PASSAGE]})
    gives_up = ("escalate_to_human", {"reason": "other", "summary": "It was refused."})
    script = (*SCRIPT[:3], invented, gives_up)
    endpoint.answer = lambda number, request: (200, chat_completion(*script[number]))
    run, [ending] = await answer(neighbours, endpoint)
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.ANSWER_UNSUPPORTED)
    assert "It was refused." in ending.request.summary


async def test_what_the_customer_said_is_sent_as_data_inside_one_json_document(
    neighbours: Neighbours, endpoint: Server
) -> None:
    endpoint.answer = lambda number, request: (200, chat_completion(*SCRIPT[number]))
    await answer(neighbours, endpoint)
    _, request = endpoint.requests[0]
    system, user = request["messages"]
    assert QUESTION not in system["content"]
    assert json.loads(user["content"])["messages"] == [{"author": "customer", "text": QUESTION}]


async def test_the_local_model_streams_the_same_call_as_one_completed_event() -> None:
    model = LocalRulesModel(Thresholds())
    document = json.dumps({"channel": "email", "subject": "", "category": "", "priority": "", "messages": []})
    events = [
        event
        async for event in model.stream_response(
            None,
            document,
            ModelSettings(),
            [],
            None,
            [],
            ModelTracing.DISABLED,
            previous_response_id=None,
            conversation_id=None,
            prompt=None,
        )
    ]
    assert [event.type for event in events] == ["response.completed"]


def test_an_endpoint_speaks_the_interface_of_the_settings() -> None:
    client = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:1/v1")
    assert type(endpoint_model("m", client, "responses")) is not type(endpoint_model("m", client, "chat_completions"))
