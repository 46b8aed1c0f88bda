-- name: add_run
-- Writes a run, and says whether it was new: none of it is ever changed.
insert into runs (
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time, reply_id
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (run_id) do nothing
returning run_id;

-- name: add_steps
-- Writes the steps of a run, in the order they are given in.
insert into steps (run_id, position, name, outcome, facts, duration_ms)
select $1, step.position, step.name, step.outcome, step.facts, step.duration_ms
from unnest($2::text[], $3::text[], $4::jsonb[], $5::double precision[])
    with ordinality as step (name, outcome, facts, duration_ms, position);

-- name: get_run
-- Which run is this?
select
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time, reply_id, usages
from recorded_runs
where run_id = $1;

-- name: list_steps
-- What did this run do, in order?
select name, outcome, facts, duration_ms
from steps
where run_id = $1
order by position;

-- name: list_runs
-- Which runs come after this place, newest first, of all tickets and endings?
select
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time, reply_id, usages
from recorded_runs
where
    ($1::timestamptz is null or (start_time, run_id) < ($1, $2::uuid))
    and ($3::text is null or ending = $3)
order by start_time desc, run_id desc
limit $4;

-- name: list_runs_of_ticket
-- Which runs on this ticket come after this place, newest first?
select
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time, reply_id, usages
from recorded_runs
where
    ticket_id = $5
    and ($1::timestamptz is null or (start_time, run_id) < ($1, $2::uuid))
    and ($3::text is null or ending = $3)
order by start_time desc, run_id desc
limit $4;

-- name: add_sentences
-- Writes the sentences of a reply, in the order they are given in.
insert into sentences (run_id, position, text, passage, heading, quote)
select $1, sentence.position, sentence.text, sentence.passage, sentence.heading, sentence.quote
from unnest($2::text[], $3::text[], $4::text[], $5::text[])
    with ordinality as sentence (text, passage, heading, quote, position);

-- name: list_sentences
-- What did the reply of this run say, in order, and what does it stand on?
select text, passage, heading, quote
from sentences
where run_id = $1
order by position;

-- name: find_run_of_reply
-- Which run wrote this message? Of two that the desk gave the same one to, the first.
select run_id
from runs
where reply_id = $1
order by start_time
limit 1;

-- name: find_run_of_conversation
-- Which run answered this conversation last, one way or the other?
select run_id
from runs
where conversation_id = $1 and ending <> 'SKIPPED'
order by conversation_version desc, start_time desc
limit 1;

-- name: add_usages
-- Writes what an attempt of a run, or a replay, has used of each model.
insert into usages (usage_id, run_id, model, requests, input_tokens, output_tokens, cost_micros, end_time)
select gen_random_uuid(), $1, used.model, used.requests, used.input_tokens, used.output_tokens, used.cost_micros, $7
from unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
    as used (model, requests, input_tokens, output_tokens, cost_micros);

-- name: spent_since
-- What have all models cost since this moment, replays and failed attempts included?
select coalesce(sum(cost_micros), 0)::bigint
from usages
where end_time >= $1;

-- name: daily_costs
-- How many runs did each model answer last on each day (UTC) since this moment, and what was used of it, newest first?
with answered as (
    select (end_time at time zone 'UTC')::date as day, model, count(*) as runs
    from runs
    where end_time >= $1 and model <> ''
    group by 1, 2
),
used as (
    select
        (end_time at time zone 'UTC')::date as day, model, sum(requests)::bigint as requests,
        sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
        sum(cost_micros)::bigint as cost_micros
    from usages
    where end_time >= $1
    group by 1, 2
)
select
    day, model, coalesce(runs, 0) as runs, coalesce(requests, 0) as requests,
    coalesce(input_tokens, 0) as input_tokens, coalesce(output_tokens, 0) as output_tokens,
    coalesce(cost_micros, 0) as cost_micros
from answered
full join used using (day, model)
order by day desc, model
limit $2;

-- name: work_since
-- How many runs since this moment had something to answer, and on how many tickets?
select count(*) as runs, count(distinct ticket_id) as tickets
from runs
where end_time >= $1 and ending <> 'SKIPPED';
