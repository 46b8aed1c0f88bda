import asyncio

import pytest

from meshkit.waiting import happened


async def test_it_ends_with_the_event_or_with_the_time() -> None:
    event = asyncio.Event()
    assert not await happened(event, 0.01)
    asyncio.get_running_loop().call_soon(event.set)
    assert await happened(event, 5)


@pytest.mark.parametrize("first", ["event", "stop"])
async def test_a_stop_in_the_moment_of_the_event_is_heard(first: str) -> None:
    event = asyncio.Event()

    async def wait_for_ever() -> None:
        while True:
            await happened(event, 5)
            event.clear()
            await asyncio.sleep(0)

    task = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0)
    for step in (event.set, task.cancel) if first == "event" else (task.cancel, event.set):
        step()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
