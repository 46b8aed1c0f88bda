"""Who uses a mesh, for the tests of every folder: each folder says what mesh that is."""

from collections.abc import Iterator

import pytest
from tests.customers import Customer, Staff

from local.mesh import Mesh


@pytest.fixture
def customer(mesh: Mesh) -> Iterator[Customer]:
    with Customer(mesh.url) as customer:
        yield customer


@pytest.fixture
def staff(mesh: Mesh) -> Iterator[Staff]:
    with Staff(mesh.url, mesh.staff_token_file.read_text().strip()) as staff:
        yield staff
