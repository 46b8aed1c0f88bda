"""One run's case: the ticket it is about, what it may reach, and everything it does, one act at a time.

Whatever calls it (tools, rules, the end of the run) acts through these methods, and each asks `Progress.allowed` under
the lock: no order of calls, however wrong or parallel, has an effect that was not its turn. Ids come from the case and
never from a caller, so a run reaches its own ticket and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.errors import NothingOwed
from agent.model import (
    STEPS_MAX,
    Conversation,
    Ending,
    Escalation,
    Filed,
    Findings,
    History,
    Outcome,
    Progress,
    Reason,
    Reply,
    Sentence,
    Step,
    Tool,
    Triage,
    raised,
)
from agent.thinking import courtesy, grounding
from agent.thinking.handover import Handover
from agent.thinking.meaning import NOTHING_READ, Meaning
from agent.thinking.meaning import VERSION as MEANING_VERSION
from agent.thinking.rules import Policy
from agent.thinking.sentences import hosts
from agent.thinking.voice import Voice, in_voice, voice_of
from agent.thinking.words import LISTS, language
from meshkit.clock import Clock
from meshkit.errors import Failure

QUERY_CHARACTERS_MAX: Final = 500
_SUBJECT_CHARACTERS_MAX: Final = 200
_REWRITES_MAX: Final = 1
# Who has written so often without an ending waits no longer than need be.
_MESSAGES_OF_THE_WAITING: Final = 3


class Desk(Protocol):
    """What a run may ask of the desk."""

    async def history(self, ticket_id: uuid.UUID, /) -> History: ...
    async def triage(self, ticket_id: uuid.UUID, triage: Triage, /) -> None: ...
    async def reply(self, reply: Reply, /) -> uuid.UUID | None: ...
    async def escalate(self, escalation: Escalation, /) -> Reason: ...


class Knowledge(Protocol):
    """What a run may ask of the knowledge base."""

    async def search(self, query: str, /) -> Findings: ...


class Rejected(Exception):
    """An act had no effect: it was not its turn, or its arguments broke a rule. The text tells the model the mend."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may do at most, and what its arguments may be."""

    searches_max: int = 2
    reply_words_max: int = 300
    coverage_min: float = 0.67
    categories: tuple[str, ...] = ("general", "technical", "billing", "feedback", "bug_report")
    # Whatever an article says: a reply sends nobody to another house.
    hosts: tuple[str, ...] = ("techcorp.example",)


@dataclass
class Case:
    """The context of one run. Make one for each run; it is over when `progress` says so."""

    filed: Filed
    conversation: Conversation
    desk: Desk
    knowledge: Knowledge
    policy: Policy
    limits: Limits
    clock: Clock
    progress: Progress = field(init=False)
    steps: list[Step] = field(default_factory=list, init=False)
    failure: Failure | None = field(default=None, init=False)
    overtaken: bool = field(default=False, init=False)
    reply_id: uuid.UUID | None = field(default=None, init=False)
    sentences: tuple[Sentence, ...] = field(default=(), init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _handover: Handover = field(default_factory=Handover, init=False)
    _rewrites: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        withheld = self.conversation.ticket.history_withheld
        self.progress = Progress(searches_max=self.limits.searches_max, history_read=withheld)

    @property
    def voice(self) -> Voice:
        """How a reply reads on this conversation's channel."""
        return voice_of(self.conversation.channel)

    def note(self, name: str, outcome: Outcome, facts: Mapping[str, str], *, began: float | None = None) -> None:
        """Adds a step to the record. `facts` hold no customer's words."""
        if len(self.steps) < STEPS_MAX:
            duration = 0.0 if began is None else (self.clock.monotonic() - began) * 1000
            self.steps.append(Step(name, outcome, dict(facts), round(duration, 3)))

    async def judge_by_rules(self, reader: Meaning | None = None) -> None:
        """Asks the rules before any model: what they find goes to a person, and what asks for nothing is closed."""
        began = self.clock.monotonic()
        texts = self.conversation.read_by_rules()
        meaning = NOTHING_READ if reader is None else await reader.read(texts)
        judgement = self.policy.judge(texts, meaning.reasons)
        self._handover.mood = judgement.sentiment
        mood = {} if judgement.sentiment is None else {"sentiment": f"{judgement.sentiment:.2f}"}
        if meaning.reasons:
            likeliest, likelihood = max(meaning.reasons.items(), key=lambda each: each[1])
            mood |= {"meaning": f"{likeliest} {likelihood:.2f}", "read_by": MEANING_VERSION}
        if not judgement.findings:
            self.note("rules", Outcome.OK, mood, began=began)
            await self._close_kindly(meaning.closes)
            return
        first = judgement.findings[0]
        self._handover.rules = [finding.rule for finding in judgement.findings]
        facts = {"reason": first.reason, "rules": ",".join(self._handover.rules), **mood}
        self.note("rules", Outcome.OK, facts, began=began)
        self.progress.must_escalate = first.reason
        await self.create_ticket(Triage(priority=first.priority))
        await self.escalate(first.reason, "A rule asks for a person; no model was asked.")

    async def _close_kindly(self, likelihood: float) -> None:
        texts = self.conversation.unanswered()
        kind = courtesy.courtesy(texts, likelihood)
        if kind is None:
            return
        self.progress.asks_nothing = True
        await self.create_ticket(Triage())
        async with self._turn(Tool.SEND_RESPONSE) as facts:
            text = courtesy.closing(kind, texts)
            self.reply_id = await self.desk.reply(Reply(self.filed, text, ()))
            self.sentences = (Sentence(text),)
            facts["courtesy"] = kind
            self.progress.ending = Ending.REPLIED

    async def create_ticket(self, triage: Triage) -> None:
        """Sorts the ticket at the desk."""
        async with self._turn(Tool.CREATE_TICKET) as facts:
            if triage.category and triage.category not in self.limits.categories:
                raise Rejected(f"category must be one of: {', '.join(self.limits.categories)}")
            subject = " ".join(triage.subject.split())[:_SUBJECT_CHARACTERS_MAX]
            printable = "".join(character for character in subject if character.isprintable())
            priority = triage.priority
            if len(self.conversation.unanswered()) >= _MESSAGES_OF_THE_WAITING:
                priority = raised(priority or self.conversation.ticket.priority)
            await self.desk.triage(self.filed.ticket_id, Triage(printable, triage.category, priority))
            facts["category"] = triage.category
            facts["priority"] = priority or ""
            self.progress.triaged = True

    async def customer_history(self) -> History:
        """What this ticket's customer asked before, as far as the desk lets us see it."""
        async with self._turn(Tool.GET_CUSTOMER_HISTORY) as facts:
            history = await self.desk.history(self.filed.ticket_id)
            facts["tickets"] = str(len(history.tickets))
            facts["withheld"] = str(history.withheld).lower()
            self.progress.history_read = True
            self._handover.history = history
            return history

    async def search(self, query: str) -> Findings:
        """The passages that fit a question best, and how likely any answers it."""
        async with self._turn(Tool.SEARCH_KNOWLEDGE_BASE) as facts:
            asked = " ".join(query.replace("\0", " ").split())[:QUERY_CHARACTERS_MAX]
            if not asked:
                raise Rejected("query must say what to search for, in a few words")
            # Counted before it is asked: a search that fails is not free either.
            self.progress.searches += 1
            findings = await self.knowledge.search(asked)
            self._handover.queries.append(asked)
            self.progress.found(findings.passages)
            facts["attempt"] = str(self.progress.searches)
            facts["passages"] = " ".join(passage.name for passage in findings.passages)
            facts["score"] = f"{max((passage.score for passage in findings.passages), default=0.0):.2f}"
            facts["documented"] = f"{findings.documented:.2f}"
            return findings

    async def reply(
        self, body: str, citations: Sequence[str], quotes: Sequence[str] = (), *, leaves_open: bool = False
    ) -> None:
        """Ends the run with a reply that stands on passages of this run. Raises Rejected for any other.

        `quotes` are the passages' own words, one for each sentence, for a body in another language than theirs. With
        `leaves_open`, the customer is told that a part of the message has no answer here.
        """
        async with self._turn(Tool.SEND_RESPONSE) as facts:
            text = in_voice(body.replace("\0", ""), self.voice)
            if not citations or not set(citations) <= self.progress.passages.keys():
                raise Rejected("citations must name passages that search_knowledge_base returned in this run")
            if not text:
                raise Rejected("body must say something")
            self._require_readable(text)
            text, verdict = self._supported(text, quotes)
            said = [
                Sentence(each.text, p.name, p.heading, each.quote) for each in verdict.supported if (p := each.passage)
            ]
            if leaves_open:
                said.append(Sentence(LISTS["closings"][language(text)]["open"]))
                text = f"{text}{self.voice.paragraph}{said[-1].text}"
            words = self._require_short(text)
            self.reply_id = await self.desk.reply(Reply(self.filed, text, verdict.citations))
            self.sentences = tuple(said)
            facts["passages"] = " ".join(passage.name for passage in verdict.citations)
            facts["words"] = str(words)
            if leaves_open:
                facts["leaves_open"] = "true"
            self.progress.ending = Ending.REPLIED

    def _require_readable(self, text: str) -> None:
        asked = language("\n".join(self.conversation.unanswered()))
        if asked != grounding.KNOWLEDGE_LANGUAGE and language(text) != asked:
            raise Rejected("body must be in the customer's language, with quotes; otherwise call escalate_to_human")
        own = self.limits.hosts
        if strange := {
            host for host in hosts(text) if host not in own and not host.endswith(tuple(f".{h}" for h in own))
        }:
            self.progress.must_escalate = Reason.ANSWER_UNSUPPORTED
            raise Rejected(f"{len(strange)} address of another house in body; call escalate_to_human")

    def _require_short(self, text: str) -> int:
        words, words_max = len(text.split()), min(self.limits.reply_words_max, self.voice.words)
        if words > words_max:
            raise Rejected(f"body has {words} words; shorten it to {words_max} at most")
        if len(text) > self.voice.characters:
            raise Rejected(f"body has {len(text)} characters; shorten it to {self.voice.characters_wanted} if possible")
        return words

    async def escalate(self, reason: Reason, summary: str, draft: str = "") -> None:
        """Ends the run by calling a person and telling the customer so; `draft` is for that person to start from."""
        async with self._turn(Tool.ESCALATE_TO_HUMAN) as facts:
            # What code has found weighs more than what a model says.
            decided = self.progress.must_escalate or reason
            message = self.policy.kind_words(decided, self.conversation.unanswered())
            self._suggest(draft)
            case = self._handover.summary(summary, self.conversation, self.progress.passages.values())
            standing = await self.desk.escalate(Escalation(self.filed, decided, case, message))
            facts["reason"] = standing
            facts["draft"] = str(bool(self._handover.draft)).lower()
            self.progress.ending = Ending.ESCALATED
            self.progress.reason = standing

    def _suggest(self, draft: str) -> None:
        """Keeps of a draft what the passages support: a person in a hurry may send it as it stands."""
        if draft and self.progress.passages:
            text = in_voice(draft.replace("\0", ""), self.voice)
            verdict = grounding.check(text, self.progress.passages.values(), coverage_min=self.limits.coverage_min)
            self._handover.draft = verdict.kept() or self._handover.draft

    async def finish(self, summary: str) -> None:
        """Ends a run that its model left without an ending: a person takes over. Does nothing when it is over."""
        if not self.progress.over and not self.progress.triaged:
            with contextlib.suppress(Rejected):
                await self.create_ticket(Triage())
        if not self.progress.over:
            # A tool that still held the lock may have ended the run meanwhile.
            with contextlib.suppress(Rejected):
                await self.escalate(Reason.AGENT_FAILED, summary)

    @contextlib.asynccontextmanager
    async def _turn(self, tool: Tool) -> AsyncIterator[dict[str, str]]:
        async with self._lock:
            began = self.clock.monotonic()
            facts: dict[str, str] = {}
            if tool not in self.progress.allowed():
                self.note(tool, Outcome.REFUSED, facts, began=began)
                raise Rejected(self.refusal(tool))
            try:
                yield facts
            except Rejected:
                self.note(tool, Outcome.REJECTED, facts, began=began)
                raise
            except NothingOwed as error:
                self.progress.stopped = self.overtaken = True
                self.note(tool, Outcome.FAILED, {"error": str(error)}, began=began)
                raise
            except Failure as error:
                # A neighbour is away. The run stops here, and the event is tried again as a whole.
                self.progress.stopped = True
                self.failure = error
                self.note(tool, Outcome.FAILED, {"error": error.reason}, began=began)
                raise
            self.note(tool, Outcome.OK, facts, began=began)

    def refusal(self, tool: str) -> str:
        """What a model hears when it calls a tool out of turn."""
        allowed = ", ".join(sorted(self.progress.allowed())) or "none: the run is over"
        return f"{tool} is not allowed now. Allowed: {allowed}"

    def _supported(self, text: str, quotes: Sequence[str]) -> tuple[str, grounding.Verdict]:
        """The reply as far as the passages support it, and on what. Raises Rejected when too little is left."""
        began = self.clock.monotonic()
        passages = self.progress.passages.values()
        verdict = grounding.check(text, passages, coverage_min=self.limits.coverage_min, quotes=quotes)
        unsupported = len(verdict.unsupported)
        facts = {"sentences": str(sum(bool(s.text) for s in verdict.sentences)), "unsupported": str(unsupported)}
        if not unsupported and verdict.citations:
            self.note("grounding", Outcome.OK, facts, began=began)
            return text, verdict
        self.note("grounding", Outcome.REJECTED, facts, began=began)
        self._handover.draft = verdict.kept()
        rewritten = verdict.rewritten()
        if rewritten is not None and self._rewrites < _REWRITES_MAX:
            self._rewrites += 1
            return rewritten, verdict
        self.progress.must_escalate = Reason.ANSWER_UNSUPPORTED
        raise Rejected("the passages do not support this reply; call escalate_to_human")
