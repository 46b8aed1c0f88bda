-- The same rows under the same indexes as channels keeps, and the words with them: here is nobody else to keep them.
create table inbound (
    id                  uuid primary key,
    channel             text not null,
    provider_message_id text not null,
    reference           text not null,
    sender              text not null,
    sender_name         text not null,
    subject             text not null,
    category            text not null,
    priority            text not null,
    message             text not null,
    receive_time        timestamptz not null
);

create unique index inbound_provider_message on inbound (channel, provider_message_id);
create unique index inbound_promise on inbound (reference) where reference <> '';
create index inbound_newest on inbound (receive_time, id);

create table submissions (
    key_hash     bytea primary key,
    body_hash    bytea not null,
    reference    text not null,
    receive_time timestamptz not null
);

create index submissions_oldest on submissions (receive_time);

create table outbox (
    id    bigint generated always as identity primary key,
    topic text not null,
    key   bytea not null,
    value bytea not null
);

-- When each customer of a provider's channel wrote last, and whether they want to hear from us.
create table correspondents (
    channel    text not null,
    address    text not null,
    heard_time timestamptz not null,
    opted_out  boolean not null default false,
    primary key (channel, address)
);

-- Up to where the mailbox is read, and up to where it is known to have changed.
create table mailboxes (
    address           text primary key,
    history_id        bigint not null,
    hinted_history_id bigint not null
);
