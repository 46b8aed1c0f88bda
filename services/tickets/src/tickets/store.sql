-- name: open_case
-- Makes a conversation with its first ticket, first message and first timeline entry: one round trip for the
-- most frequent thing that happens here.
with conversation as (
  insert into conversations (
    id, customer_id, channel, ticket_id, sender_type, sender_value, sender_name, sender_verified,
    provider_thread_id, mail_message_id, mail_in_reply_to, mail_references, mail_subject, version, answered_version,
    last_sequence, owed_since, create_time, update_time
  ) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
  )
), ticket as (
  insert into tickets (
    id, conversation_id, customer_id, reference, promised, channel, sender_verified, subject, category,
    priority, state, assignee, escalation_reason, escalation_summary, escalation_time, revision, create_time,
    update_time
  ) values (
    $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37
  )
), message as (
  insert into messages (
    id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
    attachments, mail_message_id, reference, apology_for
  ) values (
    $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51
  )
)
insert into timeline_entries (
  id, ticket_id, create_time, kind, actor, state, message_id, facts
) values (
  $52, $53, $54, $55, $56, $57, $58, $59
)

-- name: open_ticket
-- Makes the next ticket of a conversation.
insert into tickets (
  id, conversation_id, customer_id, reference, promised, channel, sender_verified, subject, category, priority,
  state, assignee, escalation_reason, escalation_summary, escalation_time, revision, create_time, update_time
) values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
)

-- name: save_case
-- Writes what a change left of a conversation ($1) and of one of its tickets ($2), both of them locked before.
with conversation as (
  update conversations set
    ticket_id = $3, sender_type = $4, sender_value = $5, sender_name = $6, sender_verified = $7,
    provider_thread_id = $8, mail_message_id = $9, mail_in_reply_to = $10, mail_references = $11, mail_subject = $12,
    version = $13, answered_version = $14, last_sequence = $15, owed_since = $16, update_time = $17
  where id = $1
)
update tickets set
  subject = $18, category = $19, priority = $20, state = $21, assignee = $22, escalation_reason = $23,
  escalation_summary = $24, escalation_time = $25, revision = $26, update_time = $27
where id = $2

-- name: add_message
-- Files a message and the timeline entry that tells of it.
with message as (
  insert into messages (
    id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
    attachments, mail_message_id, reference, apology_for
  ) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
  )
)
insert into timeline_entries (
  id, ticket_id, create_time, kind, actor, state, message_id, facts
) values (
  $15, $16, $17, $18, $19, $20, $21, $22
)

-- name: add_timeline_entry
-- Notes one thing that happened to a ticket.
insert into timeline_entries (
  id, ticket_id, create_time, kind, actor, state, message_id, facts
) values (
  $1, $2, $3, $4, $5, $6, $7, $8
)

-- name: lock_case
-- The ticket of this id or this reference with its conversation, both locked: the conversation first, always.
select
  c.id as c_id, c.customer_id as c_customer_id, c.channel as c_channel, c.ticket_id as c_ticket_id,
  c.sender_type as c_sender_type, c.sender_value as c_sender_value, c.sender_name as c_sender_name,
  c.sender_verified as c_sender_verified, c.provider_thread_id as c_provider_thread_id,
  c.mail_message_id as c_mail_message_id, c.mail_in_reply_to as c_mail_in_reply_to,
  c.mail_references as c_mail_references, c.mail_subject as c_mail_subject, c.version as c_version,
  c.answered_version as c_answered_version, c.last_sequence as c_last_sequence, c.owed_since as c_owed_since,
  c.create_time as c_create_time, c.update_time as c_update_time,
  t.id as t_id, t.conversation_id as t_conversation_id, t.customer_id as t_customer_id,
  t.reference as t_reference, t.promised as t_promised, t.channel as t_channel,
  t.sender_verified as t_sender_verified, t.subject as t_subject, t.category as t_category,
  t.priority as t_priority, t.state as t_state, t.assignee as t_assignee,
  t.escalation_reason as t_escalation_reason, t.escalation_summary as t_escalation_summary,
  t.escalation_time as t_escalation_time, t.revision as t_revision, t.create_time as t_create_time,
  t.update_time as t_update_time
from tickets t
join conversations c on c.id = t.conversation_id
where t.id = coalesce($1::uuid, (select n.id from tickets n where n.reference = $2::text))
for update of c, t

-- name: lock_conversation
-- Whether there is such a conversation; it is locked, so that its ticket in work stays the same.
select true as found from conversations where id = $1 for update

-- name: lock_case_of_conversation
-- A conversation with the ticket in work, both locked.
select
  c.id as c_id, c.customer_id as c_customer_id, c.channel as c_channel, c.ticket_id as c_ticket_id,
  c.sender_type as c_sender_type, c.sender_value as c_sender_value, c.sender_name as c_sender_name,
  c.sender_verified as c_sender_verified, c.provider_thread_id as c_provider_thread_id,
  c.mail_message_id as c_mail_message_id, c.mail_in_reply_to as c_mail_in_reply_to,
  c.mail_references as c_mail_references, c.mail_subject as c_mail_subject, c.version as c_version,
  c.answered_version as c_answered_version, c.last_sequence as c_last_sequence, c.owed_since as c_owed_since,
  c.create_time as c_create_time, c.update_time as c_update_time,
  t.id as t_id, t.conversation_id as t_conversation_id, t.customer_id as t_customer_id,
  t.reference as t_reference, t.promised as t_promised, t.channel as t_channel,
  t.sender_verified as t_sender_verified, t.subject as t_subject, t.category as t_category,
  t.priority as t_priority, t.state as t_state, t.assignee as t_assignee,
  t.escalation_reason as t_escalation_reason, t.escalation_summary as t_escalation_summary,
  t.escalation_time as t_escalation_time, t.revision as t_revision, t.create_time as t_create_time,
  t.update_time as t_update_time
from conversations c
join tickets t on t.id = c.ticket_id
where c.id = $1
for update of c, t

-- name: find_case_of_conversation
-- A conversation with the ticket in work.
select
  c.id as c_id, c.customer_id as c_customer_id, c.channel as c_channel, c.ticket_id as c_ticket_id,
  c.sender_type as c_sender_type, c.sender_value as c_sender_value, c.sender_name as c_sender_name,
  c.sender_verified as c_sender_verified, c.provider_thread_id as c_provider_thread_id,
  c.mail_message_id as c_mail_message_id, c.mail_in_reply_to as c_mail_in_reply_to,
  c.mail_references as c_mail_references, c.mail_subject as c_mail_subject, c.version as c_version,
  c.answered_version as c_answered_version, c.last_sequence as c_last_sequence, c.owed_since as c_owed_since,
  c.create_time as c_create_time, c.update_time as c_update_time,
  t.id as t_id, t.conversation_id as t_conversation_id, t.customer_id as t_customer_id,
  t.reference as t_reference, t.promised as t_promised, t.channel as t_channel,
  t.sender_verified as t_sender_verified, t.subject as t_subject, t.category as t_category,
  t.priority as t_priority, t.state as t_state, t.assignee as t_assignee,
  t.escalation_reason as t_escalation_reason, t.escalation_summary as t_escalation_summary,
  t.escalation_time as t_escalation_time, t.revision as t_revision, t.create_time as t_create_time,
  t.update_time as t_update_time
from conversations c
join tickets t on t.id = c.ticket_id
where c.id = $1

-- name: list_cases
-- Conversations with their tickets in work, newest first: of one customer, on one channel, after a place.
select
  c.id as c_id, c.customer_id as c_customer_id, c.channel as c_channel, c.ticket_id as c_ticket_id,
  c.sender_type as c_sender_type, c.sender_value as c_sender_value, c.sender_name as c_sender_name,
  c.sender_verified as c_sender_verified, c.provider_thread_id as c_provider_thread_id,
  c.mail_message_id as c_mail_message_id, c.mail_in_reply_to as c_mail_in_reply_to,
  c.mail_references as c_mail_references, c.mail_subject as c_mail_subject, c.version as c_version,
  c.answered_version as c_answered_version, c.last_sequence as c_last_sequence, c.owed_since as c_owed_since,
  c.create_time as c_create_time, c.update_time as c_update_time,
  t.id as t_id, t.conversation_id as t_conversation_id, t.customer_id as t_customer_id,
  t.reference as t_reference, t.promised as t_promised, t.channel as t_channel,
  t.sender_verified as t_sender_verified, t.subject as t_subject, t.category as t_category,
  t.priority as t_priority, t.state as t_state, t.assignee as t_assignee,
  t.escalation_reason as t_escalation_reason, t.escalation_summary as t_escalation_summary,
  t.escalation_time as t_escalation_time, t.revision as t_revision, t.create_time as t_create_time,
  t.update_time as t_update_time
from conversations c
join tickets t on t.id = c.ticket_id
where ($1::uuid is null or c.customer_id = $1)
  and ($2::text is null or c.channel = $2)
  and ($3::timestamptz is null or (c.create_time, c.id) < ($3, $4::uuid))
order by c.create_time desc, c.id desc
limit $5

-- name: find_overdue
-- The conversations that have been owed an ending since before this time, the longest first.
select id from conversations where owed_since <= $1 order by owed_since limit $2

-- name: claim_overdue
-- Whether this conversation is still owed an ending since before this time; it is locked, unless somebody else has it.
select true as found from conversations where id = $1 and owed_since <= $2 for update skip locked

-- name: hold_sender
-- Makes two messages of one sender, handled at the same time, find or open their conversation one after the other.
select pg_advisory_xact_lock(hashtextextended('tickets.sender.' || lower($1::text), 0))

-- name: find_conversation_of_reference
-- The conversation of the ticket that was promised under this reference.
select conversation_id from tickets where reference = $1 and promised

-- name: find_conversation_of_thread
-- The mail conversation of this sender ($1) with this provider's thread ($2), or with one of these messages ($3).
-- Mail that nobody vouched for ($4 false) joins only what nobody vouched for.
select c.id
from conversations c
where lower(c.sender_value) = lower($1) and c.channel = 'EMAIL'
  and ($4 or not c.sender_verified)
  and (
    ($2 <> '' and c.provider_thread_id = $2)
    or exists (
      select 1 from messages m
      where m.conversation_id = c.id and m.mail_message_id <> '' and m.mail_message_id = any ($3::text[])
    )
  )
order by c.create_time desc
limit 1

-- name: find_conversation_of_sender
-- The newest conversation of this sender on this channel whose ticket is not closed.
select c.id
from conversations c
join tickets t on t.id = c.ticket_id
where lower(c.sender_value) = lower($1) and c.channel = $2 and c.channel <> 'WEB_FORM' and t.state <> 'CLOSED'
order by c.create_time desc
limit 1

-- name: find_ticket
-- The ticket of this id or this reference.
select
  id, conversation_id, customer_id, reference, promised, channel, sender_verified, subject, category, priority,
  state, assignee, escalation_reason, escalation_summary, escalation_time, revision, create_time, update_time
from tickets
where id = coalesce($1::uuid, (select n.id from tickets n where n.reference = $2::text))

-- name: list_tickets
-- Tickets, newest first: in one state, of one customer, after a place.
select
  id, conversation_id, customer_id, reference, promised, channel, sender_verified, subject, category, priority,
  state, assignee, escalation_reason, escalation_summary, escalation_time, revision, create_time, update_time
from tickets
where ($1::text is null or state = $1)
  and ($2::uuid is null or customer_id = $2)
  and ($3::timestamptz is null or (create_time, id) < ($3, $4::uuid))
order by create_time desc, id desc
limit $5

-- name: list_history
-- A customer's tickets but this one ($2), newest first, and only those whose own sender was vouched for.
select
  id, conversation_id, customer_id, reference, promised, channel, sender_verified, subject, category, priority,
  state, assignee, escalation_reason, escalation_summary, escalation_time, revision, create_time, update_time
from tickets
where customer_id = $1 and id <> $2 and sender_verified
  and ($3::timestamptz is null or (create_time, id) < ($3, $4::uuid))
order by create_time desc, id desc
limit $5

-- name: newest_messages
-- The newest messages of a conversation ($1), newest first, and every apology under its promised reference ($2).
(
  select
    id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
    attachments, mail_message_id, reference, apology_for
  from messages
  where conversation_id = $1
  order by sequence desc
  limit $3
)
union all
(
  select
    id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
    attachments, mail_message_id, reference, apology_for
  from messages
  where reference = $2 and reference <> ''
  order by create_time desc
  limit $3
)

-- name: list_messages
-- The messages of a conversation after a place, oldest first.
select
  id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
  attachments, mail_message_id, reference, apology_for
from messages
where conversation_id = $1 and sequence > $2
order by sequence
limit $3

-- name: find_message
-- The message of this id.
select
  id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
  attachments, mail_message_id, reference, apology_for
from messages
where id = $1

-- name: find_message_in_order
-- The message at this place of a conversation.
select
  id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
  attachments, mail_message_id, reference, apology_for
from messages
where conversation_id = $1 and sequence = $2

-- name: add_apology
-- The apology's id when it is the first one for its event, nothing when there is one already.
insert into messages (
  id, conversation_id, ticket_id, sequence, author, text, create_time, delivery_state, citations, run_id,
  attachments, mail_message_id, reference, apology_for
) values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
)
on conflict (apology_for) where apology_for is not null do nothing
returning id

-- name: lock_delivery
-- How far the delivery of a message has come, since when, and its ticket with its state (none for an apology); locked.
select m.delivery_state, m.delivery_time, m.ticket_id, t.state as ticket_state
from messages m
left join tickets t on t.id = m.ticket_id
where m.id = $1
for no key update of m

-- name: move_delivery
-- Notes how far the delivery of a message has come, and by which Message-ID ($4) its answers will name it.
update messages
set
  delivery_state = $2, delivery_time = greatest(delivery_time, $3),
  mail_message_id = coalesce(nullif($4, ''), mail_message_id)
where id = $1

-- name: list_timeline
-- What happened to a ticket after a place, oldest first.
select
  id, ticket_id, create_time, kind, actor, state, message_id, facts
from timeline_entries
where ticket_id = $1
  and ($2::timestamptz is null or (create_time, id) > ($2, $3::uuid))
order by create_time, id
limit $4

-- name: claim_request
-- The message's id when the caller uses this request id for the first time; nothing when it stands for a message already.
insert into requests (caller, request_id, fingerprint, message_id, create_time)
values ($1, $2, $3, $4, $5)
on conflict (caller, request_id) do nothing
returning message_id

-- name: find_request
-- What a caller's request id stands for.
select fingerprint, message_id from requests where caller = $1 and request_id = $2

-- name: add_dead_letter
-- Keeps an event that could not be handled.
insert into dead_letters (
  id, state, topic, partition, record_offset, consumer, reason, attempts, event_type, event_id, redrive_count,
  key, value, header_names, header_values, create_time, update_time
) values (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
)

-- name: find_dead_letter
-- The dead letter of this id.
select
  id, state, topic, partition, record_offset, consumer, reason, attempts, event_type, event_id, redrive_count,
  length(value) as size_bytes, create_time, update_time
from dead_letters
where id = $1

-- name: lock_dead_letter
-- The dead letter of this id, locked.
select
  id, state, topic, partition, record_offset, consumer, reason, attempts, event_type, event_id, redrive_count,
  length(value) as size_bytes, create_time, update_time
from dead_letters
where id = $1
for update

-- name: find_dead_record
-- The record of a dead letter, byte for byte.
select key, value, header_names, header_values from dead_letters where id = $1

-- name: settle_dead_letter
-- Notes what was decided about a dead letter.
update dead_letters set state = $2, update_time = $3 where id = $1

-- name: list_dead_letters
-- Dead letters, newest first: in one state, from one topic, after a place.
select
  id, state, topic, partition, record_offset, consumer, reason, attempts, event_type, event_id, redrive_count,
  length(value) as size_bytes, create_time, update_time
from dead_letters
where ($1::text is null or state = $1)
  and ($2::text is null or topic = $2)
  and ($3::timestamptz is null or (create_time, id) < ($3, $4::uuid))
order by create_time desc, id desc
limit $5
