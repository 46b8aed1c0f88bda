"""The simulated Google, as tests steer it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from simulators.google import ServiceAccount

TOPIC = "projects/fte-local/topics/gmail"
# A key takes a while to make: all tests share one.
ACCOUNT = ServiceAccount.new()


@dataclass
class Google:
    """The simulator: its address, and its control API."""

    url: str

    async def control(self, path: str, body: Any = None, *, method: str = "POST") -> dict[str, Any]:
        # Over plain HTTP: without this, each client would read the machine's certificates first.
        async with httpx.AsyncClient(timeout=30, verify=False) as http:
            answer = await http.request(method, f"{self.url}/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def fault(self, on: str, kind: str, **fields: Any) -> None:
        await self.control("faults", {"on": on, "kind": kind, **fields})

    async def no_faults(self) -> None:
        await self.control("faults", method="DELETE")

    async def sent(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control("sent", method="GET"))["sent"]
        return found

    async def arrive(self, text: str = "How do I export a board?", **fields: Any) -> dict[str, Any]:
        """A mail comes in; how Gmail knows it."""
        mail = {"from": "Ada Lovelace <ada@customer.example>", "subject": "Export", "text": text, **fields}
        messages: list[dict[str, Any]] = (await self.control("inbound", mail))["messages"]
        return messages[-1]

    def key_file(self) -> str:
        return json.dumps(ACCOUNT.key_file(f"{self.url}/token"))
