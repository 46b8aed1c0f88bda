-- name: add_run
-- Writes a run, and says whether it was new: none of it is ever changed.
insert into runs (
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
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
    policy_version, instructions_version, start_time, end_time
from runs
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
    policy_version, instructions_version, start_time, end_time
from runs
where
    ($1::timestamptz is null or (start_time, run_id) < ($1, $2::uuid))
    and ($3::text is null or ending = $3)
order by start_time desc, run_id desc
limit $4;

-- name: list_runs_of_ticket
-- Which runs on this ticket come after this place, newest first?
select
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time
from runs
where
    ticket_id = $5
    and ($1::timestamptz is null or (start_time, run_id) < ($1, $2::uuid))
    and ($3::text is null or ending = $3)
order by start_time desc, run_id desc
limit $4;
