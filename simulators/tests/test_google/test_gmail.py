"""The Gmail API, through google-api-python-client."""

import base64
import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from simulators.google import mime

from .conftest import ADDRESS, Google


def mail(subject: str = "Hello", to: str = "ada@example.com", **headers: str) -> dict[str, Any]:
    """The body of messages.send. Underscores in the headers' names stand for hyphens."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ADDRESS, to, subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("The answer.")
    message.add_alternative("<p>The answer.</p>", subtype="html")
    return {"raw": base64.urlsafe_b64encode(message.as_bytes()).decode()}


def raw(gmail: Any, message_id: str) -> email.message.EmailMessage:
    found = gmail.messages().get(userId="me", id=message_id, format="raw").execute()
    return email.message_from_bytes(base64.urlsafe_b64decode(found["raw"]), policy=email.policy.default)


def refused(request: Any) -> tuple[int, str]:
    """The status and the reason that a request is refused with."""
    with pytest.raises(HttpError) as error:
        request.execute()
    details: Any = error.value.error_details
    return error.value.status_code, details[0]["reason"]


def test_a_sent_mail_is_in_the_truth_with_its_headers(google: Google) -> None:
    sent = google.gmail().messages().send(userId="me", body=mail(X_FTE_Delivery="d1.1")).execute()
    (truth,) = google.sent()
    assert (truth["id"], truth["threadId"], truth["to"]) == (sent["id"], sent["threadId"], "ada@example.com")
    assert truth["headers"]["X-FTE-Delivery"] == "d1.1"
    assert (truth["subject"], truth["text"].strip(), truth["html"].strip()) == (
        "Hello",
        "The answer.",
        "<p>The answer.</p>",
    )
    assert sent["labelIds"] == ["SENT"]


def test_gmail_gives_a_mail_a_message_id_of_its_own(google: Google) -> None:
    gmail = google.gmail()
    sent = gmail.messages().send(userId="me", body=mail(Message_ID="<mine@techcorp.example>")).execute()
    message = raw(gmail, sent["id"])
    assert message.get_all("Message-ID") != ["<mine@techcorp.example>"]
    assert len(message.get_all("Message-ID", [])) == 1
    assert message["Message-ID"].endswith("@mail.gmail.com>")


def test_a_mail_is_sent_from_the_mailbox_whatever_it_says(google: Google) -> None:
    gmail = google.gmail()
    body = mail()
    forged = base64.urlsafe_b64decode(body["raw"]).replace(ADDRESS.encode(), b"boss@elsewhere.example")
    sent = gmail.messages().send(userId="me", body={"raw": base64.urlsafe_b64encode(forged).decode()}).execute()
    assert raw(gmail, sent["id"]).get_all("From") == [ADDRESS]


def test_a_reply_joins_its_thread_only_with_subject_and_references(google: Google) -> None:
    gmail = google.gmail()
    (question,) = google.control("inbound", {"from": "ada@example.com", "subject": "Broken", "text": "Help"})[
        "messages"
    ]
    reference = {"In_Reply_To": question["messageId"], "References": question["messageId"]}

    def thread(subject: str, **headers: str) -> bool:
        body = mail(subject, **headers) | {"threadId": question["threadId"]}
        sent = gmail.messages().send(userId="me", body=body).execute()
        return bool(sent["threadId"] == question["threadId"])

    assert thread("Re: Broken", **reference)
    assert not thread("Something else", **reference)
    assert not thread("Re: Broken")
    assert not thread("Re: Broken", In_Reply_To="<unknown@example.com>")
    found = gmail.threads().get(userId="me", id=question["threadId"], format="minimal").execute()
    assert len(found["messages"]) == 2


def test_references_into_another_thread_do_not_count(google: Google) -> None:
    gmail = google.gmail()
    asked = {"from": "ada@example.com", "subject": "Broken"}
    first, other = (google.control("inbound", asked)["messages"][0] for _ in range(2))
    body = mail("Re: Broken", References=other["messageId"]) | {"threadId": first["threadId"]}
    sent = gmail.messages().send(userId="me", body=body).execute()
    assert sent["threadId"] not in (first["threadId"], other["threadId"])


def test_a_customers_reply_joins_the_thread_by_the_id_that_gmail_gave(google: Google) -> None:
    gmail = google.gmail()
    sent = gmail.messages().send(userId="me", body=mail("Your ticket")).execute()
    given = raw(gmail, sent["id"])["Message-ID"]
    answered = {"from": "ada@example.com", "subject": "Re: Your ticket", "headers": {"In-Reply-To": given}}
    assert google.control("inbound", answered)["messages"][0]["threadId"] == sent["threadId"]


def test_an_unknown_thread_is_not_found(google: Google) -> None:
    gmail = google.gmail()
    assert refused(gmail.messages().send(userId="me", body=mail() | {"threadId": "ffff"})) == (404, "notFound")
    assert google.sent() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"raw": "%%%"},
        {"raw": mime.base64url(b"Subject: to nobody\r\n\r\n")},
        {"raw": mime.base64url(b"To: x\r\n\r\n")},
    ],
    ids=["nothing", "no base64", "no recipient", "no address"],
)
def test_what_is_no_mail_is_refused(google: Google, body: dict[str, str]) -> None:
    assert refused(google.gmail().messages().send(userId="me", body=body)) == (400, "invalidArgument")
    assert google.sent() == []


def test_the_formats_show_as_much_as_they_say(google: Google) -> None:
    gmail = google.gmail()
    inbound = {
        "from": "Ada <ada@example.com>",
        "subject": "Grüße",
        "text": "Schöne Grüße",
        "html": "<b>Hi</b>",
        "attachments": [{"name": "photo.png", "type": "image/png", "content": base64.b64encode(b"png!").decode()}],
    }
    identity = google.control("inbound", inbound)["messages"][0]["id"]

    def get(**options: Any) -> dict[str, Any]:
        found: dict[str, Any] = gmail.messages().get(userId="me", id=identity, **options).execute()
        return found

    assert "payload" not in get(format="minimal")
    assert "raw" not in get(format="minimal")
    metadata = get(format="metadata", metadataHeaders=["subject"])["payload"]
    assert metadata["headers"] == [{"name": "Subject", "value": "Grüße"}]
    full = get()["payload"]
    assert full["mimeType"] == "multipart/mixed"
    alternative, photo = full["parts"]
    plain, html = alternative["parts"]
    assert (plain["partId"], html["mimeType"], photo["filename"]) == ("0.0", "text/html", "photo.png")
    assert base64.urlsafe_b64decode(plain["body"]["data"]).decode().strip() == "Schöne Grüße"
    assert photo["body"]["size"] == 4
    content = (
        gmail.messages().attachments().get(userId="me", messageId=identity, id=photo["body"]["attachmentId"]).execute()
    )
    assert base64.urlsafe_b64decode(content["data"]) == b"png!"
    assert get()["labelIds"] == ["INBOX", "UNREAD"]


def test_the_history_lists_every_mail_page_by_page(google: Google) -> None:
    gmail = google.gmail()
    start = gmail.getProfile(userId="me").execute()["historyId"]
    arrived = google.control("inbound", {"from": "ada@example.com", "subject": "Ten", "count": 10})["messages"]
    google.control("inbound", {"from": "bob@example.com", "labels": ["SPAM"]})
    gmail.messages().send(userId="me", body=mail()).execute()
    options = {
        "userId": "me",
        "startHistoryId": start,
        "maxResults": 3,
        "historyTypes": ["messageAdded"],
        "labelId": "INBOX",
    }
    request, found, pages = gmail.history().list(**options), [], 0
    while request is not None:
        page = request.execute()
        found += [added["message"]["id"] for record in page.get("history", []) for added in record["messagesAdded"]]
        request, pages = gmail.history().list_next(request, page), pages + 1
    assert found == [message["id"] for message in arrived]
    assert pages == 4
    assert "history" not in gmail.history().list(**options | {"startHistoryId": page["historyId"]}).execute()


def test_a_mail_that_was_only_relabelled_is_no_new_one(google: Google) -> None:
    gmail = google.gmail()
    identity = google.control("inbound", {"from": "ada@example.com"})["messages"][0]["id"]
    start = gmail.getProfile(userId="me").execute()["historyId"]
    gmail.messages().modify(userId="me", id=identity, body={"removeLabelIds": ["UNREAD"]}).execute()
    listed = gmail.history().list(userId="me", startHistoryId=start).execute()["history"]
    assert [sorted(record) for record in listed] == [["id", "labelsRemoved", "messages"]]
    added = gmail.history().list(userId="me", startHistoryId=start, historyTypes=["messageAdded"]).execute()
    assert "history" not in added


def test_a_history_id_that_is_too_old_or_unknown_is_not_found(google: Google) -> None:
    gmail = google.gmail()
    old = gmail.getProfile(userId="me").execute()["historyId"]
    new = google.control("history:expire")["historyId"]
    assert refused(gmail.history().list(userId="me", startHistoryId=old)) == (404, "notFound")
    assert refused(gmail.history().list(userId="me", startHistoryId="99999999999")) == (404, "notFound")
    assert refused(gmail.history().list(userId="me", startHistoryId="-1")) == (400, "invalidArgument")
    assert gmail.history().list(userId="me", startHistoryId=new).execute()["historyId"] == new


def test_lists_come_newest_first_and_in_pages(google: Google) -> None:
    gmail = google.gmail()
    arrived = google.control("inbound", {"from": "ada@example.com", "count": 5})["messages"]
    request, found = gmail.messages().list(userId="me", labelIds=["INBOX"], maxResults=2), []
    while request is not None:
        page = request.execute()
        found += [message["id"] for message in page["messages"]]
        request = gmail.messages().list_next(request, page)
    assert found == [message["id"] for message in reversed(arrived)]


def test_threads_are_listed_once_each(google: Google) -> None:
    gmail = google.gmail()
    (first,) = google.control("inbound", {"from": "a@example.com", "subject": "One"})["messages"]
    again = {"from": "a@example.com", "subject": "Re: One", "headers": {"References": first["messageId"]}}
    google.control("inbound", again)
    (other,) = google.control("inbound", {"from": "b@example.com", "subject": "Two"})["messages"]
    listed = gmail.threads().list(userId="me").execute()["threads"]
    assert [thread["id"] for thread in listed] == [other["threadId"], first["threadId"]]


def test_labels_can_be_made_and_searched_for(google: Google) -> None:
    gmail = google.gmail()
    label = gmail.labels().create(userId="me", body={"name": "Customer Care"}).execute()["id"]
    (message,) = google.control("inbound", {"from": "a@example.com", "labels": [label]})["messages"]
    found = gmail.messages().list(userId="me", q="label:customer-care").execute()
    assert [each["id"] for each in found["messages"]] == [message["id"]]
    assert gmail.labels().get(userId="me", id=label).execute()["messagesTotal"] == 1
    assert refused(gmail.labels().get(userId="me", id="Label_99")) == (404, "notFound")


def test_a_mailbox_beyond_its_quota_is_told_to_wait(start: Callable[..., Google]) -> None:
    gmail = start(units_per_second=250).gmail()
    for _ in range(2):
        gmail.messages().send(userId="me", body=mail()).execute()
    assert refused(gmail.messages().send(userId="me", body=mail())) == (429, "rateLimitExceeded")


def test_faults_speak_googles_words(google: Google) -> None:
    gmail = google.gmail()
    google.control("faults", {"on": "messages.send", "kind": "status", "status": 403, "code": "userRateLimitExceeded"})
    assert refused(gmail.messages().send(userId="me", body=mail())) == (403, "userRateLimitExceeded")
    google.control("faults", {"on": "messages.send", "kind": "status", "status": 503})
    assert refused(gmail.messages().send(userId="me", body=mail())) == (503, "backendError")
    assert google.sent() == []


def test_a_mail_accepted_before_the_connection_broke_is_in_the_truth(google: Google) -> None:
    gmail = google.gmail()
    gmail.getProfile(userId="me").execute()
    google.control("faults", {"on": "messages.send", "kind": "reset_after"})
    with pytest.raises(OSError, match="reset"):
        gmail.messages().send(userId="me", body=mail(X_FTE_Delivery="d2.1")).execute()
    (truth,) = google.sent()
    listed = gmail.messages().list(userId="me", q="in:sent").execute()["messages"]
    assert [message["id"] for message in listed] == [truth["id"]]


def test_a_bounce_comes_back_into_the_thread(google: Google) -> None:
    gmail = google.gmail()
    google.control("bounces", {"address": "Gone@Example.com"})
    sent = gmail.messages().send(userId="me", body=mail(to="gone@example.com", X_FTE_Delivery="d3.1")).execute()
    gmail.messages().send(userId="me", body=mail(to="ada@example.com")).execute()
    listed = gmail.messages().list(userId="me", labelIds=["INBOX"]).execute()["messages"]
    (bounce,) = listed
    assert bounce["threadId"] == sent["threadId"]
    report = raw(gmail, bounce["id"])
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    _, status, original = report.iter_parts()
    fields: Any = status.get_payload()
    assert fields[1]["Action"] == "failed"
    assert fields[1]["Final-Recipient"] == "rfc822; gone@example.com"
    assert original.get_content()["X-FTE-Delivery"] == "d3.1"


def test_a_fault_can_let_the_next_mail_bounce(google: Google) -> None:
    gmail = google.gmail()
    google.control("faults", {"on": "messages.send", "kind": "failed_later", "code": "5.2.2"})
    for _ in range(2):
        gmail.messages().send(userId="me", body=mail()).execute()
    (bounce,) = gmail.messages().list(userId="me", labelIds=["INBOX"]).execute()["messages"]
    fields: Any = list(raw(gmail, bounce["id"]).iter_parts())[1].get_payload()
    assert fields[1]["Status"] == "5.2.2"
