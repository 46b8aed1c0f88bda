-- Events written in the business transaction, published to Kafka by the relay in the order of their ids.
create table outbox (
  id            bigint generated always as identity primary key,
  topic         text        not null,
  key           bytea,
  value         bytea,
  -- Two arrays instead of JSON: a dead letter keeps the bytes and the order of headers that were never ours to choose.
  header_names  text[]      not null,
  header_values bytea[]     not null,
  created_at    timestamptz not null default now(),
  published_at  timestamptz,
  -- Set when the broker will never take this row (too large): it must not hold up the rows behind it.
  refused_at    timestamptz
);

-- The relay's only question. It stays as small as the backlog, however many published rows are kept.
create index outbox_pending on outbox (id) where published_at is null and refused_at is null;

-- What a consumer group has already handled: the same key is never handled a second time.
create table inbox (
  consumer   text        not null,
  event_id   text        not null,
  state      text        not null default 'done' check (state in ('done', 'dead')),
  handled_at timestamptz not null default now(),
  primary key (consumer, event_id)
);

-- Pruning asks for a range of time over rows that arrive in order of time, which a block range index answers for a few pages.
create index inbox_handled_at on inbox using brin (handled_at);
