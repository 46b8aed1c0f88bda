-- All that one sender and we said to each other on one thread of one channel.
create table conversations (
  id                 uuid        primary key,
  customer_id        uuid        not null,
  channel            text        not null check (channel in ('WEB_FORM', 'EMAIL', 'WHATSAPP')),
  -- The ticket in work or last worked on. No foreign key: the two rows are born in one statement, each naming the other.
  ticket_id          uuid        not null,
  -- Where a reply goes: the sender and the thread of the customer's newest message.
  sender_type        text        not null check (sender_type in ('EMAIL', 'PHONE')),
  sender_value       text        not null,
  sender_name        text        not null,
  sender_verified    boolean     not null,
  provider_thread_id text        not null,
  mail_message_id    text        not null,
  mail_in_reply_to   text        not null,
  mail_references    text[]      not null,
  version            bigint      not null,
  answered_version   bigint      not null,
  last_sequence      bigint      not null,
  owed_since         timestamptz,
  create_time        timestamptz not null,
  update_time        timestamptz not null,
  check (answered_version <= version and version <= last_sequence)
);

create index conversations_by_time on conversations (create_time desc, id desc);
create index conversations_by_customer on conversations (customer_id, create_time desc, id desc);
-- The timer's question, as small as what is owed right now.
create index conversations_owed on conversations (owed_since) where owed_since is not null;
-- Whose conversation a message joins, where the provider's channel has a sender of its own.
create index conversations_by_sender on conversations (lower(sender_value), channel, create_time desc)
  where channel <> 'WEB_FORM';
create index conversations_by_thread on conversations (provider_thread_id) where provider_thread_id <> '';

-- One concern of one customer.
create table tickets (
  id                 uuid        primary key,
  conversation_id    uuid        not null references conversations,
  customer_id        uuid        not null,
  reference          text        not null unique,
  -- Whether channels gave the reference away with its status token: only then does the token open this ticket.
  promised           boolean     not null,
  channel            text        not null check (channel in ('WEB_FORM', 'EMAIL', 'WHATSAPP')),
  -- Whether the provider vouched for the sender of the first message.
  sender_verified    boolean     not null,
  subject            text        not null,
  category           text        not null,
  priority           text        not null check (priority in ('UNSPECIFIED', 'LOW', 'MEDIUM', 'HIGH')),
  state              text        not null
    check (state in ('NEW', 'OPEN', 'WAITING_ON_CUSTOMER', 'ESCALATED', 'RESOLVED', 'CLOSED')),
  assignee           text        not null,
  escalation_reason  text,
  escalation_summary text,
  escalation_time    timestamptz,
  revision           bigint      not null,
  create_time        timestamptz not null,
  update_time        timestamptz not null,
  check ((escalation_reason is null) = (escalation_summary is null)
    and (escalation_reason is null) = (escalation_time is null))
);

create index tickets_by_conversation on tickets (conversation_id);
create index tickets_by_time on tickets (create_time desc, id desc);
create index tickets_by_state on tickets (state, create_time desc, id desc);
create index tickets_by_customer on tickets (customer_id, create_time desc, id desc);

-- What was said.
create table messages (
  id              uuid        primary key,
  conversation_id uuid        references conversations,
  ticket_id       uuid        references tickets,
  sequence        bigint      not null,
  author          text        not null check (author in ('CUSTOMER', 'AGENT', 'STAFF')),
  text            text        not null,
  create_time     timestamptz not null,
  delivery_state  text        not null
    check (delivery_state in ('UNSPECIFIED', 'CLAIMED', 'SENT', 'DELIVERED', 'READ', 'FAILED')),
  citations       jsonb       not null,
  run_id          uuid,
  attachments     jsonb       not null,
  mail_message_id text        not null,
  -- The promised reference that an apology shows under; empty for all other messages.
  reference       text        not null,
  -- The event that could not be filed, of an apology.
  apology_for     uuid,
  -- Every message stands in its conversation, but for apologies: what they are about could not be filed anywhere.
  check ((conversation_id is null) = (apology_for is not null)),
  check ((conversation_id is null) = (ticket_id is null) and (conversation_id is null) = (sequence = 0))
);

create unique index messages_in_order on messages (conversation_id, sequence) where conversation_id is not null;
create index messages_by_mail on messages (mail_message_id) where mail_message_id <> '';
-- However often one event fails: one apology.
create unique index messages_one_apology on messages (apology_for) where apology_for is not null;
create index messages_apologies on messages (reference) where reference <> '';

-- What happened to tickets; rows are only ever added.
create table timeline_entries (
  id          uuid        primary key,
  ticket_id   uuid        not null references tickets,
  create_time timestamptz not null,
  kind        text        not null check (kind in (
    'MESSAGE_FILED', 'TRIAGED', 'REPLIED', 'ESCALATED', 'TAKEN_OVER', 'HANDED_BACK', 'RESOLVED',
    'DELIVERY_CHANGED', 'REOPENED'
  )),
  actor       text        not null,
  state       text        not null,
  message_id  uuid        references messages,
  facts       jsonb       not null
);

create index timeline_of_ticket on timeline_entries (ticket_id, create_time, id);

-- Which message a caller's request id stands for, so that a repeat is not said twice.
create table requests (
  caller      text        not null,
  request_id  text        not null,
  -- SHA-256 of ticket and text: the same id for something else is refused.
  fingerprint bytea       not null,
  message_id  uuid        not null,
  create_time timestamptz not null,
  primary key (caller, request_id)
);

-- Events that some consumer could not handle, byte for byte, until a person decides.
create table dead_letters (
  id            uuid        primary key,
  state         text        not null check (state in ('WAITING', 'REDRIVEN', 'DROPPED')),
  topic         text        not null,
  partition     integer     not null,
  record_offset bigint      not null,
  consumer      text        not null,
  reason        text        not null,
  attempts      integer     not null,
  event_type    text        not null,
  event_id      text        not null,
  redrive_count integer     not null,
  key           bytea,
  value         bytea       not null,
  header_names  text[]      not null,
  header_values bytea[]     not null,
  create_time   timestamptz not null,
  update_time   timestamptz not null
);

create index dead_letters_by_time on dead_letters (create_time desc, id desc);
