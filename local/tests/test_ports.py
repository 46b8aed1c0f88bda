"""Which ports a mesh takes, and what it says when one is taken."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import CannotStart
from local.ports import FREE_RANGE, HOST, OFFSET_MAX, Ports, answers, free_ports, is_free, parse_offset


def test_the_embedded_default_listens_where_the_documents_say() -> None:
    ports = Ports.fixed()
    assert (ports.gateway, ports.postgres, ports.kafka) == (8080, 7432, 7092)
    assert (ports.twilio, ports.google) == (7201, 7202)
    assert ports.grpc == {"identity": 7001, "tickets": 7002, "knowledge": 7003, "agent": 7004, "channels": 7005}
    assert ports.metrics == {"identity": 7101, "tickets": 7102, "knowledge": 7103, "agent": 7104, "channels": 7105}


@given(st.integers(0, OFFSET_MAX // 1000), st.integers(0, OFFSET_MAX // 1000))
def test_two_meshes_with_different_offsets_share_no_port(one: int, other: int) -> None:
    first = {port for _, port in Ports.fixed(parse_offset(str(one * 1000))).each()}
    second = {port for _, port in Ports.fixed(parse_offset(str(other * 1000))).each()}
    assert one == other or not first & second
    assert max(first | second) < FREE_RANGE.stop


@pytest.mark.parametrize("text", ["", "1", "1500", "-1000", "25000", "1e3", "٣٠٠٠", "1000 "])
def test_an_offset_that_is_not_in_thousands_is_refused_by_name(text: str) -> None:
    with pytest.raises(CannotStart, match=r"FTE_PORT_OFFSET is .*multiple of 1000"):
        parse_offset(text)


def test_a_busy_port_is_named_with_who_needs_it_and_the_setting_that_mends_it() -> None:
    ports = Ports.free()
    ports.require_free()
    with socket.create_server((HOST, ports.grpc["tickets"])):
        assert answers(ports.grpc["tickets"])
        with pytest.raises(CannotStart) as refused:
            ports.require_free()
    assert f"Port {ports.grpc['tickets']}, which tickets (gRPC) needs, is in use" in str(refused.value)
    assert "FTE_PORT_OFFSET" in str(refused.value)


def test_free_ports_are_different_and_free() -> None:
    found = free_ports(15)
    assert len(set(found)) == 15
    assert all(is_free(port) and not answers(port) for port in found)
