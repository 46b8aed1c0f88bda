"""The tables beside the contracts agree with the contracts."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from fte import descriptors
from fte.access import ACCESS
from fte.topics import TOPICS, Topic

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
CALLERS = {"public", "staff", *SERVICES}
OURS = [file for file in descriptors.load().file if file.package.startswith("fte.")]


def service(name: str) -> ServiceDescriptor:
    module = import_module(f"fte.{name}.v1.{name}_service_pb2")
    (found,) = module.DESCRIPTOR.services_by_name.values()
    assert isinstance(found, ServiceDescriptor)
    return found


def methods() -> set[str]:
    return {f"/{service(name).full_name}/{method.name}" for name in SERVICES for method in service(name).methods}


def test_the_access_table_has_every_method_and_no_other() -> None:
    assert set(ACCESS) == methods()


@pytest.mark.parametrize("method", sorted(ACCESS))
def test_a_method_is_open_to_someone_we_know(method: str) -> None:
    assert ACCESS[method]
    assert ACCESS[method] <= CALLERS


def test_only_these_methods_need_no_token() -> None:
    public = {method.rpartition("/")[2] for method, callers in ACCESS.items() if "public" in callers}
    webhooks = {"ReceiveWhatsappMessage", "ReceiveWhatsappStatus", "ReceiveGmailPush"}
    assert public == {"SubmitForm", "SubmitMessage", "GetHealth", "GetTicket"} | webhooks


def messages(file: FileDescriptorProto) -> set[str]:
    return {f"{file.package}.{message.name}" for message in file.message_type}


def test_every_event_has_a_topic_and_every_topic_an_event() -> None:
    events = set().union(*(messages(file) for file in OURS if file.name.endswith("_events.proto")))
    facts = {topic.fact for topic in TOPICS.values() if topic.fact != "*"}
    assert facts == events


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_a_topic_is_published_by_the_package_that_owns_its_event(topic: Topic) -> None:
    assert topic.fact == "*" or topic.fact.split(".")[1] == topic.producer


def test_topics_have_the_partitions_that_order_by_key_needs() -> None:
    assert {topic.partitions for topic in TOPICS.values()} == {12}


def test_the_docs_show_the_topics_of_the_table() -> None:
    architecture = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text()
    shown = set(re.findall(r"^\| `(fte\.[a-z.]+)` \|", architecture, flags=re.MULTILINE))
    assert shown == set(TOPICS)


def test_comments_reach_reflection() -> None:
    commented = {file.name for file in OURS if any(loc.leading_comments for loc in file.source_code_info.location)}
    assert commented == {file.name for file in OURS}
