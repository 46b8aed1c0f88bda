"""The demo says what it sees, and its exit code whether all was well."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.demo import demo
from local.errors import CannotStart
from local.ports import Ports
from simulators.serving import running


class World:
    """The gateway and both simulators in one server, as far as the demo asks them; silent ones do not answer."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.number = ""

    async def health(self, request: Request) -> Response:
        return JSONResponse({})

    async def form(self, request: Request) -> Response:
        return JSONResponse({"reference": "TKT-7K3Q9V", "statusToken": "token"})

    async def ticket(self, request: Request) -> Response:
        assert request.headers["X-Status-Token"] == "token"
        said = [{"author": "AUTHOR_CUSTOMER", "text": "How?"}, {"author": "AUTHOR_AGENT", "text": "By the form's way"}]
        return JSONResponse({"messages": said[: 1 if "form" in self.silent else 2]})

    async def inbound(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        if "subject" in asked:
            return JSONResponse({"messages": [{"id": "1", "threadId": "t1"}]})
        self.number = asked["from"]
        return JSONResponse({"sid": "SM1", "status": 200})

    async def sent(self, request: Request) -> Response:
        mails = [{"threadId": "t0", "subject": "Old", "text": "Of another"}]
        if "mail" not in self.silent:
            mails.append({"threadId": "t1", "subject": "Re: Password", "text": "By the mail's way"})
        return JSONResponse({"sent": mails})

    async def messages(self, request: Request) -> Response:
        taken = (
            [{"sid": "SM2", "to": self.number, "body": "By WhatsApp's way", "status": "read"}] if self.number else []
        )
        return JSONResponse({"messages": taken})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ports(world: World) -> Iterator[Ports]:
    routes = [
        Route("/api/v1/health", world.health),
        Route("/_control/health", world.health),
        Route("/api/v1/support/form", world.form, methods=["POST"]),
        Route("/api/v1/tickets/TKT-7K3Q9V", world.ticket),
        Route("/_control/inbound", world.inbound, methods=["POST"]),
        Route("/_control/sent", world.sent),
        Route("/_control/messages", world.messages),
    ]
    with running(Starlette(routes=routes)) as url:
        port = int(url.rpartition(":")[2])
        yield replace(Ports.free(), gateway=port, twilio=port, google=port)


def test_every_channel_shows_its_question_and_its_answer(ports: Ports, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(ports) == 0
    shown = capsys.readouterr().out
    for words in ("Web form", "E-mail", "WhatsApp", "asks:", "By the form's way", "By the mail's way", "TKT-7K3Q9V"):
        assert words in shown
    assert "By WhatsApp's way" in shown
    assert "Of another" not in shown


def test_a_channel_without_an_answer_is_named_and_the_others_are_shown(
    world: World, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent = {"mail"}
    assert demo(ports, answer_seconds=0.3) == 1
    said = capsys.readouterr()
    assert "E-mail: no answer within 0.3 s" in said.err
    assert "By the form's way" in said.out


def test_a_real_provider_is_not_asked(ports: Ports, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(replace(ports, twilio=Ports.free().twilio)) == 1
    assert "WhatsApp: no simulator answers" in capsys.readouterr().err


def test_without_a_mesh_the_way_to_one_is_told() -> None:
    with pytest.raises(CannotStart, match="make up"):
        demo(Ports.free())
