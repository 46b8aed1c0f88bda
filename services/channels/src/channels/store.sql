-- Every query about what comes in, and whom it comes from. Those about what goes out: deliveries.sql.

-- name: file_message
-- Was the message filed, or did a sender exceed a cap ($1 to $4: hashes, names and caps in one order, and the hour)?
-- All in one statement, because it is the hot path: the key claimed ($5 to $7: null for a message without one; a key
-- from before $7 is free again), the senders counted, the inbound row ($8 to $17) and its event ($18 to $22) written,
-- and a mail that confirms it put into the queue ($23: its id, null for none). First it locks what it shares with others
-- ($24: names), so that many of these in one transaction never wait for another's in a ring.
-- Neither filed nor exceeded: the key came before. A repeat that can be seen to be one is not counted.
with held as materialized (
    select count(pg_advisory_xact_lock(shared.key)) as locks
    from (select distinct hashtextextended(name, 0) as key from unnest($24::text[]) as name order by key) as shared
),
counted as (
    insert into sender_counts as known (sender_hash, hour, messages)
    select sender.hash, $4::timestamptz, 1
    from held, unnest($1::bytea[]) as sender (hash)
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
    from held
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
    from held
    where not exists (select 1 from exceeded) and ($5::bytea is null or exists (select 1 from claimed))
    returning true
),
published as (
    insert into outbox (topic, key, value, header_names, header_values)
    select $18::text, $19::bytea, $20::bytea, $21::text[], $22::bytea[]
    from filed
),
confirmed as (
    insert into deliveries (
        id, channel, kind, reference, lane, recipient_type, recipient, recipient_name,
        state, provider_message_id, failure_reason, create_time, update_time, queue_time, due_time
    )
    select
        $23::uuid, 'email', 'form_receipt', $11::text, $11::text, $13::text, $14::text, $15::text,
        'queued', '', '', $17::timestamptz, $17::timestamptz, clock_timestamp(), clock_timestamp()
    from filed
    where $23::uuid is not null
)
select exists (select 1 from filed) as filed, (select min(exceeded.name) from exceeded) as exceeded;

-- name: file_heard
-- What became of a message that a provider passed on? Senders counted ($1 to $3: hashes and caps in one order, and the
-- hour; a message that is known is not counted), the inbound row ($4 to $15), the correspondent of address $16 and the
-- event ($18 to $22) written, in one statement, which locks what it shares with others first ($23: names). Over a cap it is filed and not told to the desk. Not filed: it was known,
-- or, unless $17 says that this is seen to, it shows that an address can be written to after all.
with held as materialized (
    select count(pg_advisory_xact_lock(shared.key)) as locks
    from (select distinct hashtextextended(name, 0) as key from unnest($23::text[]) as name order by key) as shared
),
counted as (
    insert into sender_counts as known (sender_hash, hour, messages)
    select sender.hash, $3::timestamptz, 1
    from held, unnest($1::bytea[]) as sender (hash)
    where not exists (select 1 from inbound where channel = $5::text and provider_message_id = $6::text)
    on conflict (sender_hash, hour) do update set messages = known.messages + 1
    returning sender_hash, messages
),
exceeded as (
    select 1
    from counted
    join unnest($1::bytea[], $2::integer[]) as cap (hash, messages) on cap.hash = counted.sender_hash
    where counted.messages > cap.messages
),
returned as (
    select 1
    from correspondents
    where channel = $5::text and address = $16::text and reachability = 'undeliverable' and $15::text is null
),
filed as (
    insert into inbound (
        id, channel, provider_message_id, reference, opens_conversation,
        sender_type, sender, sender_name, sender_verified, receive_time, sent_time, suppression
    )
    select
        $4::uuid, $5::text, $6::text, $7::text, $8::boolean,
        $9::text, $10::text, $11::text, $12::boolean, $13::timestamptz, $14::timestamptz,
        coalesce($15::text, case when exists (select 1 from exceeded) then 'rate_cap' end)
    from held
    where $17::boolean or not exists (select 1 from returned)
    on conflict (channel, provider_message_id) do nothing
    returning suppression
),
heard as (
    insert into correspondents as known (channel, address, heard_time)
    select $5::text, $16::text, coalesce($14::timestamptz, clock_timestamp())
    from filed
    where filed.suppression is null or filed.suppression in ('opt_out', 'opt_in')
    on conflict (channel, address) do update set heard_time = greatest(known.heard_time, excluded.heard_time)
    returning true
),
published as (
    insert into outbox (topic, key, value, header_names, header_values)
    select $18::text, $19::bytea, $20::bytea, $21::text[], $22::bytea[]
    from filed, heard
    where filed.suppression is null
)
select
    exists (select 1 from filed) as filed,
    (select filed.suppression from filed) as suppression,
    exists (select 1 from returned) as returned;

-- name: find_form_of_thread
-- Which form's mail does this thread of the provider's go on from, if it was sent to this address?
select deliveries.reference
from deliveries
where kind <> 'reply' and sent_thread ->> 'provider_thread_id' = $1 and lower(recipient) = lower($2)
limit 1;

-- name: get_correspondent
-- When did this address write to us last, when we to it, and what is known against it? And what time is it?
select heard_time, written_time, reachability, reachability_time, now.time as now
from (select clock_timestamp() as time) as now
left join correspondents on channel = $1 and address = $2;

-- name: mark_correspondent
-- This address cannot be written to from now on; nothing comes back when that was known. Who wants no messages is not
-- asked again because one failed.
insert into correspondents as known (channel, address, reachability, reachability_time)
values ($1, $2, $3, clock_timestamp())
on conflict (channel, address) do update
set reachability = excluded.reachability, reachability_time = excluded.reachability_time
where known.reachability is null or (known.reachability = 'undeliverable' and excluded.reachability = 'opted_out')
returning true;

-- name: clear_correspondent
-- Nothing is known against this address any more; nothing comes back when it was not this.
update correspondents
set reachability = null, reachability_time = null
where channel = $1 and address = $2 and reachability = $3
returning true;

-- name: note_written
-- Something of ours was sent to this address.
insert into correspondents as known (channel, address, written_time)
values ($1, $2, clock_timestamp())
on conflict (channel, address) do update set written_time = excluded.written_time;

-- name: count_sender
-- How many messages does this sender have in this hour, with this one?
insert into sender_counts as known (sender_hash, hour, messages)
values ($1, $2, 1)
on conflict (sender_hash, hour) do update set messages = known.messages + 1
returning messages;

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

-- name: find_promise
-- Whom was this reference promised to?
select sender_type, sender, sender_name, sender_verified
from inbound
where reference = $1 and opens_conversation;

-- name: get_inbound_message
-- What is known of this message?
select id, channel, provider_message_id, reference, sender_verified, receive_time, suppression
from inbound
where id = $1;

-- name: list_inbound_messages
-- Which messages came before this one, newest first, on one channel or all?
select id, channel, provider_message_id, reference, sender_verified, receive_time, suppression
from inbound
where (receive_time, id) < (
    coalesce($1::timestamptz, 'infinity'), coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
)
and ($3::text is null or channel = $3)
order by receive_time desc, id desc
limit $4;

-- name: count_inbound_messages
-- How many messages came in by each channel in this window?
select channel, count(*) as received
from inbound
where receive_time >= $1 and receive_time < $2
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
