-- Every query about deliveries, their parts and the queue they wait in.

-- name: insert_delivery
-- Is the delivery of this message ours? Nothing comes back when it was before. One that is queued is due at once.
insert into deliveries (
    id, channel, kind, message_id, conversation_id, reference, lane, recipient_type, recipient, recipient_name,
    state, provider_message_id, failure_reason, thread, sent_thread, create_time, update_time, queue_time, due_time
)
select
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    $11, $12, $13, $14, $15, $16, $17, queued.time, queued.time
from (select case when $11 = 'queued' then clock_timestamp() end as time) as queued
on conflict (message_id) do nothing
returning id;

-- name: insert_part
-- One message of a delivery.
insert into parts (delivery_id, number, channel, content, state)
values ($1, $2, $3, $4, $5);

-- name: save_delivery
-- How far the delivery has come, and in how many seconds its next part is due: null when nothing waits. $8 puts it back
-- into the queue.
update deliveries
set
    state = $2, provider_message_id = $3, failure_reason = $4, sent_thread = $5, update_time = $6,
    due_time = clock_timestamp() + $7 * interval '1 second',
    queue_time = case when $8 then clock_timestamp() else queue_time end
where id = $1;

-- name: save_part
-- How far this part has come.
update parts
set state = $3, content = $4, doubts = $5, provider_message_id = $6, failure_reason = $7
where delivery_id = $1 and number = $2;

-- name: drop_parts
-- The parts from this number on, which something else was sent in place of.
delete from parts
where delivery_id = $1 and number >= $2;

-- name: get_delivery
-- What is known of this delivery?
select
    id, channel, kind, message_id, conversation_id, reference, recipient_type, recipient, recipient_name,
    state, provider_message_id, failure_reason, thread, sent_thread, due_time, create_time, update_time
from deliveries
where id = $1;

-- name: lock_delivery
-- The same, and nobody else moves it until the transaction ends.
select
    id, channel, kind, message_id, conversation_id, reference, recipient_type, recipient, recipient_name,
    state, provider_message_id, failure_reason, thread, sent_thread, due_time, create_time, update_time
from deliveries
where id = $1
for no key update;

-- name: list_deliveries
-- Which deliveries were asked for before this one, newest first, of one channel or all, in one state or any?
select
    id, channel, kind, message_id, conversation_id, reference, recipient_type, recipient, recipient_name,
    state, provider_message_id, failure_reason, thread, sent_thread, due_time, create_time, update_time
from deliveries
where (create_time, id) < (
    coalesce($1::timestamptz, 'infinity'), coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
)
and ($3::text is null or channel = $3)
and ($4::text is null or state = $4)
order by create_time desc, id desc
limit $5;

-- name: list_parts
-- The parts of these deliveries, in order.
select
    delivery_id, number, content, state, claims, attempts, doubts, first_claim_time, provider_message_id, failure_reason
from parts
where delivery_id = any($1::uuid[])
order by delivery_id, number;

-- name: list_heads
-- Which delivery of each lane is the next one, in how many seconds is it due, and does somebody wait for its words?
-- Looks at the first $2 that wait, replies before what is no reply.
select distinct on (lane)
    id, lane, kind = 'reply' as is_reply, extract(epoch from due_time - clock_timestamp())::double precision as due_seconds
from (
    select id, lane, kind, position, due_time
    from deliveries
    where channel = $1 and state in ('queued', 'claimed')
    order by kind <> 'reply', position
    limit $2
) as waiting
order by lane, position;

-- name: claim_part
-- Is this part ours to send? Committed before it is sent. Nothing comes back when somebody else has claimed it, or
-- nobody is to send it any more. In $4 seconds it is due again, to be looked up, should we not come back.
with opened as (
    select id from deliveries where id = $1 and state in ('queued', 'claimed') for no key update
),
claimed as (
    update parts
    set
        state = 'claimed', claims = claims + 1, attempts = attempts + 1, claim_time = clock_timestamp(),
        first_claim_time = coalesce(first_claim_time, clock_timestamp())
    from opened
    where parts.delivery_id = opened.id and number = $2 and parts.state = 'queued' and claims = $3
    returning
        delivery_id, number, content, state, claims, attempts, doubts, first_claim_time, provider_message_id,
        failure_reason
),
moved as (
    update deliveries
    set state = 'claimed', due_time = clock_timestamp() + $4 * interval '1 second'
    from claimed
    where id = claimed.delivery_id
)
select * from claimed;

-- name: claim_age
-- How many seconds ago was this part claimed last?
select extract(epoch from clock_timestamp() - claim_time)::double precision
from parts
where delivery_id = $1 and number = $2;

-- name: queued_seconds
-- For how many seconds has this delivery been in the queue?
select extract(epoch from clock_timestamp() - queue_time)::double precision
from deliveries
where id = $1;

-- name: hasten_claimed
-- Whoever claimed these parts may be gone: they are due now.
update deliveries
set due_time = clock_timestamp()
where channel = $1 and state = 'claimed' and due_time > clock_timestamp();

-- name: list_known_ids
-- The provider's ids of what this lane was sent from this time on.
select parts.provider_message_id
from deliveries
join parts on parts.delivery_id = deliveries.id
where deliveries.channel = $1 and deliveries.lane = $2
and parts.provider_message_id <> '' and parts.claim_time >= $3;

-- name: list_known_ids_of_all
-- The same, of all lanes.
select provider_message_id
from parts
where channel = $1 and provider_message_id <> '' and claim_time >= $2;

-- name: has_waiting_notice
-- Does the news of an answer wait already for whoever sent this form?
select exists (
    select 1 from deliveries where reference = $1 and kind = 'answer_notice' and state = 'queued'
);

-- name: hold_provider_message
-- One after the other: a receipt for this message, and the record of its send.
select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0));

-- name: find_part
-- Which part of which delivery is this message of the provider?
select delivery_id, number
from parts
where channel = $1 and provider_message_id = $2;

-- name: find_mail
-- Which delivery is the mail of this Message-ID?
select id
from deliveries
where channel = 'email' and sent_thread ->> 'message_id' = $1;

-- name: keep_receipt
-- A receipt for a message that is not known yet.
insert into receipts (channel, provider_message_id, state, failure_reason, reachability, receive_time)
values ($1, $2, $3, $4, $5, clock_timestamp())
on conflict (channel, provider_message_id, state) do nothing;

-- name: take_receipts
-- The receipts that came before their message was known.
delete from receipts
where channel = $1 and provider_message_id = $2
returning provider_message_id, state, failure_reason, reachability;

-- name: forget_receipts
-- Receipts for messages that never became known; up to $2 of them.
delete from receipts
where (channel, provider_message_id, state) in (
    select channel, provider_message_id, state from receipts
    where receive_time < clock_timestamp() - $1::interval
    order by receive_time
    limit $2
);

-- name: forget_contents
-- The words of what was sent, or given up, longer ago than this: nobody sends them again.
update parts
set content = null
from deliveries
where deliveries.id = parts.delivery_id and parts.content is not null
and deliveries.state not in ('queued', 'claimed') and deliveries.update_time < $1;

-- name: count_queue
-- How many deliveries of each channel wait, and how many seconds has the first one?
select
    channel,
    count(*) as waiting,
    extract(epoch from clock_timestamp() - min(queue_time))::double precision as oldest_seconds
from deliveries
where state in ('queued', 'claimed') and channel <> 'web_form'
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
