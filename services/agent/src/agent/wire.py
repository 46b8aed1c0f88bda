"""Between the contracts and the model."""

import re
import uuid
from datetime import timedelta

from agent.model import (
    Author,
    Conversation,
    CostReport,
    Difference,
    DryRun,
    EarlierTicket,
    Ending,
    Escalation,
    Filed,
    Findings,
    Message,
    Passage,
    PolicyRecord,
    Priority,
    Reason,
    Replayed,
    Reply,
    Run,
    Step,
    Terms,
    Ticket,
    TicketState,
    Triage,
    Usage,
)
from fte.agent.v1 import agent_events_pb2, agent_service_pb2, run_pb2
from fte.channels.v1 import message_pb2
from fte.knowledge.v1 import article_pb2, knowledge_service_pb2
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2, tickets_service_pb2
from meshkit.errors import InvalidArgument
from meshkit.ids import ResourceName
from meshkit.timestamps import moment, timestamp

RUNS = ResourceName("runs")
TICKETS = ResourceName("tickets")
MESSAGES = ResourceName("messages")
CONVERSATIONS = ResourceName("conversations")
_POLICY = re.compile(r"policies/([0-9A-Za-z._-]{1,40})")

# The desk's limits for what it is told.
_HEADING_CHARACTERS = 200
_SUMMARY_CHARACTERS = 4000
_MESSAGE_CHARACTERS = 2000
_CITATIONS_MAX = 20
# One reply for each message, however often it is asked for: the name makes the request's id the same each time.
_REPLIES = uuid.UUID("0d3b1c52-6f0e-5c35-9d0b-7f1f3f7f6a11")


def filed_from_wire(run_id: uuid.UUID, event: tickets_events_pb2.MessageFiled) -> Filed:
    """What the desk has filed, as the beginning of a run."""
    return Filed(
        run_id=run_id,
        message_id=MESSAGES.parse(event.message, field="message"),
        conversation_id=CONVERSATIONS.parse(event.conversation, field="conversation"),
        ticket_id=TICKETS.parse(event.ticket, field="ticket"),
        version=event.conversation_version,
    )


def channel_from_wire(channel: message_pb2.Channel.ValueType) -> str:
    """The contract's name of a channel, without its prefix."""
    return message_pb2.Channel.Name(channel).removeprefix("CHANNEL_")


def conversation_from_wire(conversation: ticket_pb2.Conversation) -> Conversation:
    """The desk's conversation in our words."""
    return Conversation(
        id=CONVERSATIONS.parse(conversation.name),
        channel=channel_from_wire(conversation.channel),
        version=conversation.version,
        answered_version=conversation.answered_version,
        ticket=_ticket(conversation.ticket),
        messages=tuple(
            Message(
                author=Author(ticket_pb2.Author.Name(message.author).removeprefix("AUTHOR_")),
                text=message.text,
                run_id=RUNS.parse(message.run, field="run") if message.run else None,
                cited=bool(message.citations),
                id=MESSAGES.parse(message.name) if message.name else None,
                citations=tuple(citation.passage for citation in message.citations),
            )
            for message in conversation.messages
        ),
    )


def earlier_ticket_from_wire(ticket: ticket_pb2.Ticket) -> EarlierTicket:
    """A ticket of the customer's past."""
    return EarlierTicket(ticket.subject, _state(ticket.state), ticket.category, moment(ticket.create_time))


def findings_from_wire(found: knowledge_service_pb2.SearchPassagesResponse) -> Findings:
    """What a search found."""
    return Findings(
        tuple(
            Passage(
                match.passage.name, match.passage.heading, match.passage.text, match.score, match.question_similarity
            )
            for match in found.matches
        ),
        found.documented,
        found.open_question_similarity,
    )


def named_passage_from_wire(passage: article_pb2.Passage) -> Passage:
    """A passage that was asked for by name: it fits as well as can be."""
    return Passage(passage.name, passage.heading, passage.text, 1.0)


def triage_to_wire(ticket_id: uuid.UUID, triage: Triage) -> tickets_service_pb2.TriageTicketRequest:
    """The command that sorts a ticket."""
    return tickets_service_pb2.TriageTicketRequest(
        ticket=TICKETS.format(ticket_id),
        subject=triage.subject,
        category=triage.category,
        priority=ticket_pb2.PRIORITY_UNSPECIFIED if triage.priority is None else _priority_to_wire(triage.priority),
    )


def reply_to_wire(reply: Reply) -> tickets_service_pb2.CreateMessageRequest:
    """The command that says a reply: with the same `request_id` each time for the same message."""
    filed = reply.filed
    return tickets_service_pb2.CreateMessageRequest(
        ticket=TICKETS.format(filed.ticket_id),
        text=reply.text,
        conversation_version=filed.version,
        request_id=str(uuid.uuid5(_REPLIES, str(filed.message_id))),
        citations=[
            ticket_pb2.Citation(passage=passage.name, heading=passage.heading[:_HEADING_CHARACTERS])
            for passage in reply.citations[:_CITATIONS_MAX]
        ],
        run=RUNS.format(filed.run_id),
    )


def escalation_to_wire(escalation: Escalation) -> tickets_service_pb2.EscalateTicketRequest:
    """The command that calls a person."""
    filed = escalation.filed
    return tickets_service_pb2.EscalateTicketRequest(
        ticket=TICKETS.format(filed.ticket_id),
        reason=reason_to_wire(escalation.reason),
        summary=escalation.summary[:_SUMMARY_CHARACTERS],
        message=escalation.message[:_MESSAGE_CHARACTERS],
        conversation_version=filed.version,
        run=RUNS.format(filed.run_id),
    )


def reason_to_wire(reason: Reason | None) -> ticket_pb2.EscalationReason.ValueType:
    """The contract's value for a reason."""
    if reason is None:
        return ticket_pb2.ESCALATION_REASON_UNSPECIFIED
    return ticket_pb2.EscalationReason.Value(f"ESCALATION_REASON_{reason}")


def reason_from_wire(reason: ticket_pb2.EscalationReason.ValueType) -> Reason | None:
    """The reason that the contract's value says; None when it says none."""
    if reason == ticket_pb2.ESCALATION_REASON_UNSPECIFIED:
        return None
    return Reason(ticket_pb2.EscalationReason.Name(reason).removeprefix("ESCALATION_REASON_"))


def ending_from_wire(ending: run_pb2.Ending.ValueType) -> Ending | None:
    """The ending that a caller asks for; None for all."""
    return None if ending == run_pb2.ENDING_UNSPECIFIED else Ending(run_pb2.Ending.Name(ending).removeprefix("ENDING_"))


def run_to_wire(run: Run) -> run_pb2.Run:
    """The record of a run as staff read it."""
    filed = run.filed
    return run_pb2.Run(
        name=RUNS.format(filed.run_id),
        message=MESSAGES.format(filed.message_id),
        ticket=TICKETS.format(filed.ticket_id),
        conversation=CONVERSATIONS.format(filed.conversation_id),
        conversation_version=filed.version,
        ending=_ending_to_wire(run.ending),
        escalation_reason=reason_to_wire(run.reason),
        model=run.model,
        policy_version=run.policy_version,
        instructions_version=run.instructions_version,
        steps=[_step_to_wire(step) for step in run.steps],
        start_time=timestamp(run.start_time),
        end_time=timestamp(run.end_time),
        usage=usage_to_wire(run.usage),
    )


def usage_to_wire(usage: Usage) -> run_pb2.Usage:
    """What models read, wrote and cost."""
    return run_pb2.Usage(
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_micros=usage.cost_micros,
    )


def explanation_to_wire(run: Run) -> agent_service_pb2.ExplainReplyResponse:
    """What the reply of a run stands on."""
    return agent_service_pb2.ExplainReplyResponse(
        run=RUNS.format(run.filed.run_id),
        model=run.model,
        policy_version=run.policy_version,
        instructions_version=run.instructions_version,
        sentences=[
            run_pb2.ExplainedSentence(text=each.text, passage=each.passage, heading=each.heading, quote=each.quote)
            for each in run.sentences
        ],
    )


def run_finished_to_wire(run: Run) -> agent_events_pb2.RunFinished:
    """The fact that a run is on record."""
    event = agent_events_pb2.RunFinished(
        run=RUNS.format(run.filed.run_id),
        ticket=TICKETS.format(run.filed.ticket_id),
        ending=_ending_to_wire(run.ending),
        escalation_reason=reason_to_wire(run.reason),
        model=run.model,
        end_time=timestamp(run.end_time),
        usage=usage_to_wire(run.usage),
    )
    # The machine's clock may be set back while a run thinks; a duration is never below zero.
    event.duration.FromTimedelta(max(run.end_time - run.start_time, timedelta()))
    return event


def _ticket(ticket: ticket_pb2.Ticket) -> Ticket:
    return Ticket(
        id=TICKETS.parse(ticket.name, field="ticket"),
        subject=ticket.subject,
        state=_state(ticket.state),
        category=ticket.category,
        priority=_priority(ticket.priority),
        sender_verified=ticket.sender_verified,
        taken_over=bool(ticket.assignee),
        escalation_reason=reason_from_wire(ticket.escalation.reason),
    )


def _state(state: ticket_pb2.TicketState.ValueType) -> TicketState:
    return TicketState(ticket_pb2.TicketState.Name(state).removeprefix("TICKET_STATE_"))


def _priority(priority: ticket_pb2.Priority.ValueType) -> Priority | None:
    if priority == ticket_pb2.PRIORITY_UNSPECIFIED:
        return None
    return Priority(ticket_pb2.Priority.Name(priority).removeprefix("PRIORITY_"))


def _priority_to_wire(priority: Priority) -> ticket_pb2.Priority.ValueType:
    return ticket_pb2.Priority.Value(f"PRIORITY_{priority}")


def _ending_to_wire(ending: Ending) -> run_pb2.Ending.ValueType:
    return run_pb2.Ending.Value(f"ENDING_{ending}")


def _step_to_wire(step: Step) -> run_pb2.Step:
    return run_pb2.Step(name=step.name, outcome=step.outcome, facts=step.facts, duration_ms=step.duration_ms)


def terms_from_wire(request: agent_service_pb2.ReplayConversationsRequest) -> Terms:
    """How past conversations are to be run again."""
    return Terms(
        policy_version=policy_version_from_wire(request.policy, field="policy") if request.policy else "",
        policy_content=request.policy_content,
        instructions=request.instructions,
        model=request.model,
    )


def replayed_to_wire(replayed: Replayed) -> agent_service_pb2.ReplayConversationsResponse:
    """What would be different."""
    return agent_service_pb2.ReplayConversationsResponse(
        replayed=replayed.count,
        differences=[_difference_to_wire(each) for each in replayed.differences],
        usage=usage_to_wire(replayed.usage),
    )


def policy_version_from_wire(name: str, *, field: str = "name") -> str:
    """The version in a policy's resource name. Raises InvalidArgument that names `field`."""
    match = _POLICY.fullmatch(name)
    if match is None:
        raise InvalidArgument.of(
            field,
            "must be a resource name of the form policies/<version>, such as policies/2026-11-4; "
            "use the name exactly as the service returned it",
        )
    return match[1]


def policy_to_wire(policy: PolicyRecord, *, with_content: bool = False) -> run_pb2.Policy:
    """A policy as staff read it."""
    return run_pb2.Policy(
        name=f"policies/{policy.version}",
        content=policy.content if with_content else "",
        active=policy.active,
        rules=[
            run_pb2.PolicyRule(name=rule.name, escalation_reason=reason_to_wire(rule.reason), languages=rule.languages)
            for rule in policy.rules
        ],
        create_time=None if policy.create_time is None else timestamp(policy.create_time),
    )


def dry_run_to_wire(dry_run: DryRun) -> agent_service_pb2.DryRunPolicyResponse:
    """What another policy would have done."""
    return agent_service_pb2.DryRunPolicyResponse(
        judged=dry_run.judged,
        differences=[
            run_pb2.PolicyDifference(
                message=MESSAGES.format(each.message_id),
                before=reason_to_wire(each.before),
                after=reason_to_wire(each.after),
                rules=each.rules,
            )
            for each in dry_run.differences
        ],
    )


def costs_to_wire(report: CostReport) -> agent_service_pb2.GetCostsResponse:
    """What the models cost."""
    return agent_service_pb2.GetCostsResponse(
        days=[
            run_pb2.DailyCost(
                date=each.day.isoformat(), model=each.model, runs=each.runs, usage=usage_to_wire(each.usage)
            )
            for each in report.days
        ],
        mean_run_cost_micros=report.mean_run_micros,
        year_cost_micros=report.year_micros,
        daily_budget_micros=report.daily_budget_micros,
        spent_today_micros=report.spent_today_micros,
    )


def _difference_to_wire(difference: Difference) -> run_pb2.ReplayDifference:
    before = difference.ending_before
    return run_pb2.ReplayDifference(
        conversation=CONVERSATIONS.format(difference.conversation_id),
        run="" if difference.run_id is None else RUNS.format(difference.run_id),
        ending_before=run_pb2.ENDING_UNSPECIFIED if before is None else _ending_to_wire(before),
        ending_after=_ending_to_wire(difference.ending_after),
        reason_before=reason_to_wire(difference.reason_before),
        reason_after=reason_to_wire(difference.reason_after),
        passages_lost=difference.passages_lost,
        passages_gained=difference.passages_gained,
        text_after=difference.text_after,
    )
