-- What the channels with a provider need: who writes, who can be written to, and what waits to be sent in which parts.

-- Why a message is not answered; null for what went to the desk. When it was sent, by the provider's clock.
alter table inbound
    add column suppression text
        check (suppression in ('automatic', 'own_mail', 'bounce', 'opt_out', 'opt_in', 'rate_cap')),
    add column sent_time timestamptz;

-- Whoever wrote by a provider, or cannot be written to. The address in one spelling.
create table correspondents (
    channel           text not null check (channel in ('email', 'whatsapp')),
    address           text not null,
    -- By the provider's clock; null for whoever never wrote.
    heard_time        timestamptz,
    -- When something of ours was last sent to it.
    written_time      timestamptz,
    -- Null while nothing is known against writing to it.
    reachability      text check (reachability in ('undeliverable', 'opted_out')),
    reachability_time timestamptz,
    primary key (channel, address)
);

alter table deliveries
    alter column message_id drop not null,
    alter column conversation_id drop not null,
    drop constraint deliveries_state_check,
    add constraint deliveries_state_check
        check (state in ('queued', 'claimed', 'sent', 'delivered', 'read', 'failed', 'uncertain')),
    add column kind text not null default 'reply' check (kind in ('reply', 'form_receipt', 'answer_notice')),
    -- Deliveries of one lane go out one after the other, in the order of their positions.
    add column lane text not null default '',
    add column position bigint generated always as identity,
    add column recipient_type text check (recipient_type in ('email', 'phone')),
    add column recipient text,
    add column recipient_name text,
    add column thread jsonb not null default '{}',
    add column sent_thread jsonb not null default '{}',
    -- By the database's own clock, like all times that the queue waits for: dispatchers may disagree about the time.
    add column queue_time timestamptz,
    add column due_time timestamptz;

-- What waits to be sent, or is being sent.
create index deliveries_open on deliveries (channel, (kind <> 'reply'), position) where state in ('queued', 'claimed');
-- What one recipient, or one conversation, was sent.
create index deliveries_of_lane on deliveries (channel, lane, position) where channel <> 'web_form';
-- Mails that forms caused, by the form's reference.
create index deliveries_of_forms on deliveries (reference) where kind <> 'reply';
create index deliveries_of_form_threads on deliveries ((sent_thread ->> 'provider_thread_id')) where kind <> 'reply';
-- A bounce names the mail by its Message-ID.
create index deliveries_of_mails on deliveries ((sent_thread ->> 'message_id')) where channel = 'email';

-- The messages that a delivery is sent in.
create table parts (
    delivery_id         uuid not null references deliveries on delete cascade,
    number              integer not null,
    channel             text not null,
    -- Kept until it has arrived, or nobody may send it again any more.
    content             jsonb,
    state               text not null
        check (state in ('queued', 'claimed', 'sent', 'delivered', 'read', 'failed', 'uncertain')),
    -- Grows with each claim: whoever records what became of a claim must name it.
    claims              integer not null default 0,
    attempts            integer not null default 0,
    doubts              integer not null default 0,
    first_claim_time    timestamptz,
    claim_time          timestamptz,
    provider_message_id text not null default '',
    failure_reason      text not null default '',
    primary key (delivery_id, number)
);

-- A provider's id is one message's, and leads its receipts to it.
create unique index parts_provider_message on parts (channel, provider_message_id) where provider_message_id <> '';

-- Receipts for messages that are not known (yet): one that overtook the record of its send is applied with that.
create table receipts (
    channel             text not null,
    provider_message_id text not null,
    state               text not null,
    failure_reason      text not null,
    reachability        text,
    receive_time        timestamptz not null,
    primary key (channel, provider_message_id, state)
);

create index receipts_oldest on receipts (receive_time);
