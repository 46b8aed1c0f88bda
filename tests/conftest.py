"""Who uses a mesh, for the tests of every folder: each folder says what mesh that is."""

from collections.abc import Iterator

import pytest
from tests.correspondents import Phones, Post
from tests.customers import Customer, Staff

from local.mesh import Mesh
from local.ports import HOST


@pytest.fixture
def customer(mesh: Mesh) -> Iterator[Customer]:
    with Customer(mesh.url) as customer:
        yield customer


@pytest.fixture
def staff(mesh: Mesh) -> Iterator[Staff]:
    with Staff(mesh.url, mesh.staff_token_file.read_text().strip()) as staff:
        yield staff


@pytest.fixture
def post(mesh: Mesh) -> Iterator[Post]:
    with Post(f"http://{HOST}:{mesh.ports.google}") as post:
        yield post
        post.heal()


@pytest.fixture
def phones(mesh: Mesh) -> Iterator[Phones]:
    with Phones(f"http://{HOST}:{mesh.ports.twilio}") as phones:
        yield phones
        phones.heal()
