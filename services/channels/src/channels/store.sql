-- Every query of channels.

-- name: file_message
-- Was the message filed, or did a sender exceed a cap ($1 to $4: hashes, names and caps in one order, and the hour)?
-- All in one statement, because it is the hot path: the key claimed ($5 to $7: null for a message without one; a key
-- from before $7 is free again), the senders counted, the inbound row ($8 to $17) and its event ($18 to $22) written.
-- Neither filed nor exceeded: the key came before. A repeat that can be seen to be one is not counted.
with counted as (
    insert into sender_counts as known (sender_hash, hour, messages)
    select sender.hash, $4::timestamptz, 1
    from unnest($1::bytea[]) as sender (hash)
    where not exists (
        select 1 from submissions where submissions.key_hash = $5::bytea and submissions.receive_time >= $7::timestamptz
    )
    on conflict (sender_hash, hour) do update set messages = known.messages + 1
    returning sender_hash, messages
),
exceeded as (
    select cap.name
    from counted
    join unnest($1::bytea[], $2::text[], $3::integer[]) as cap (hash, name, messages) on cap.hash = counted.sender_hash
    where counted.messages > cap.messages
),
claimed as (
    insert into submissions as known (key_hash, body_hash, reference, receive_time)
    select $5::bytea, $6::bytea, $11::text, $17::timestamptz
    where $5::bytea is not null and not exists (select 1 from exceeded)
    on conflict (key_hash) do update
    set body_hash = excluded.body_hash, reference = excluded.reference, receive_time = excluded.receive_time
    where known.receive_time < $7::timestamptz
    returning true
),
filed as (
    insert into inbound (
        id, channel, provider_message_id, reference, opens_conversation,
        sender_type, sender, sender_name, sender_verified, receive_time
    )
    select
        $8::uuid, $9::text, $10::text, $11::text, $12::boolean,
        $13::text, $14::text, $15::text, $16::boolean, $17::timestamptz
    where not exists (select 1 from exceeded) and ($5::bytea is null or exists (select 1 from claimed))
    returning true
),
published as (
    insert into outbox (topic, key, value, header_names, header_values)
    select $18::text, $19::bytea, $20::bytea, $21::text[], $22::bytea[]
    from filed
)
select exists (select 1 from filed) as filed, (select min(exceeded.name) from exceeded) as exceeded;

-- name: find_submission
-- What was this key answered with, if that was not too long ago?
select body_hash, reference, receive_time
from submissions
where key_hash = $1 and receive_time >= $2;

-- name: lock_promise
-- Whom was this reference promised to? Locks the row: the messages of one conversation are filed one after the other,
-- so that the ids of their events follow the order of the commits.
select sender_type, sender, sender_name, sender_verified
from inbound
where reference = $1 and opens_conversation
for no key update;

-- name: get_inbound_message
-- What is known of this message?
select id, channel, provider_message_id, reference, sender_verified, receive_time
from inbound
where id = $1;

-- name: list_inbound_messages
-- Which messages came before this one, newest first, on one channel or all?
select id, channel, provider_message_id, reference, sender_verified, receive_time
from inbound
where (receive_time, id) < (
    coalesce($1::timestamptz, 'infinity'), coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
)
and ($3::text is null or channel = $3)
order by receive_time desc, id desc
limit $4;

-- name: claim_delivery
-- Is the delivery of this message ours? Nothing comes back when it was claimed before.
insert into deliveries (
    id, channel, message_id, conversation_id, reference,
    state, provider_message_id, failure_reason, create_time, update_time
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (message_id) do nothing
returning id;

-- name: record_delivery
-- How far the delivery has come.
update deliveries
set state = $2, provider_message_id = $3, failure_reason = $4, update_time = $5
where id = $1;

-- name: get_delivery
-- What is known of this delivery?
select
    id, channel, message_id, conversation_id, reference,
    state, provider_message_id, failure_reason, create_time, update_time
from deliveries
where id = $1;

-- name: list_deliveries
-- Which deliveries were asked for before this one, newest first, of one channel or all, in one state or any?
select
    id, channel, message_id, conversation_id, reference,
    state, provider_message_id, failure_reason, create_time, update_time
from deliveries
where (create_time, id) < (
    coalesce($1::timestamptz, 'infinity'), coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
)
and ($3::text is null or channel = $3)
and ($4::text is null or state = $4)
order by create_time desc, id desc
limit $5;

-- name: count_inbound_messages
-- How many messages came in by each channel in this window?
select channel, count(*) as received
from inbound
where receive_time >= $1 and receive_time < $2
group by channel;

-- name: count_deliveries
-- How many deliveries of each channel were asked for in this window, how many did the provider accept (one that failed
-- later has its id), and how many failed?
select
    channel,
    count(*) as deliveries,
    count(*) filter (where state in ('sent', 'delivered', 'read') or provider_message_id <> '') as sent,
    count(*) filter (where state = 'failed') as failed
from deliveries
where create_time >= $1 and create_time < $2
group by channel;

-- name: oldest_unpublished
-- How many seconds has the oldest fact waited for Kafka? Nothing when none waits.
select extract(epoch from clock_timestamp() - created_at)::double precision
from outbox
where published_at is null and refused_at is null
order by id
limit 1;

-- name: forget_submissions
-- The keys that are free again; up to $2 of them.
delete from submissions
where key_hash in (select key_hash from submissions where receive_time < $1 order by receive_time limit $2);

-- name: forget_sender_counts
-- The counts of hours that are over.
delete from sender_counts
where hour < $1;
