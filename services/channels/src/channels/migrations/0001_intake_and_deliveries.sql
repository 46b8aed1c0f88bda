-- What came in, what idempotency keys were answered with, how often each sender wrote, and what goes out.

-- A customer's message as it was taken in. Its words are only in the event: they lie on the desk.
create table inbound (
    id                  uuid primary key,
    channel             text not null check (channel in ('web_form', 'email', 'whatsapp')),
    provider_message_id text not null,
    -- The ticket it was promised or belongs to; empty where the desk finds the conversation itself.
    reference           text not null,
    opens_conversation  boolean not null,
    sender_type         text not null check (sender_type in ('email', 'phone')),
    sender              text not null,
    sender_name         text not null,
    sender_verified     boolean not null,
    receive_time        timestamptz not null
);

-- A provider that repeats itself is heard once.
create unique index inbound_provider_message on inbound (channel, provider_message_id);
-- A reference is promised once, and leads the next message to the sender it was promised to.
create unique index inbound_promise on inbound (reference) where opens_conversation;
-- Ascending, and read backwards for the newest: rows come in this order, and Postgres is quickest at the right edge.
create index inbound_newest on inbound (receive_time, id);

-- What an Idempotency-Key was answered with. Hashes only: a key may be a customer's own words.
create table submissions (
    key_hash     bytea primary key,
    body_hash    bytea not null,
    reference    text not null,
    receive_time timestamptz not null
);

create index submissions_oldest on submissions (receive_time);

-- How many messages one sender sent in one hour; the sender as a keyed hash. Unlogged, because it is written with every
-- message, and a cap that starts over after a crash harms nobody.
create unlogged table sender_counts (
    sender_hash bytea not null,
    hour        timestamptz not null,
    messages    integer not null,
    primary key (sender_hash, hour)
);

-- One reply on its way to a customer.
create table deliveries (
    id                  uuid primary key,
    channel             text not null check (channel in ('web_form', 'email', 'whatsapp')),
    -- The message on the desk: whoever inserts this row has claimed the delivery, and nobody else delivers it.
    message_id          uuid not null unique,
    conversation_id     uuid not null,
    reference           text not null,
    state               text not null check (state in ('claimed', 'sent', 'delivered', 'read', 'failed')),
    provider_message_id text not null,
    failure_reason      text not null,
    create_time         timestamptz not null,
    update_time         timestamptz not null
);

create index deliveries_newest on deliveries (create_time, id);
