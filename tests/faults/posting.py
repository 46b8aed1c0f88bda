"""Customers who keep writing while the mesh is being broken, each pressing the button again until the form is taken."""

import threading
import time
import uuid
from typing import Self

import httpx
from tests.customers import ANSWERED, UNANSWERED, Customer

GIVE_UP_SECONDS = 60


class Posting:
    """Posts `count` forms from several threads at about `per_second`; `taken` are the references that got a 200."""

    def __init__(self, url: str, count: int, per_second: float, threads: int = 6) -> None:
        self.taken: list[str] = []
        self.untaken = 0
        self._url = url
        self._pause = threads / per_second
        shares = [count // threads + (number < count % threads) for number in range(threads)]
        self._threads = [threading.Thread(target=self._post, args=(share,)) for share in shares]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def busy(self) -> bool:
        """Whether some forms are still to be posted."""
        return any(thread.is_alive() for thread in self._threads)

    def _post(self, count: int) -> None:
        with Customer(self._url) as customer:
            for number in range(count):
                self._until_taken(customer, ANSWERED if number % 3 else UNANSWERED)
                time.sleep(self._pause)  # the rate of arrival

    def _until_taken(self, customer: Customer, question: str) -> None:
        form, key = customer.form(question), uuid.uuid4().hex
        ends = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < ends:
            try:
                answer = customer.http.post("/api/v1/support/form", json=form, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.taken.append(answer.json()["reference"])
                return
            time.sleep(0.2)  # before the customer presses again
        self.untaken += 1
