-- Runs with what their models used, all attempts together: by model, requests, tokens in, tokens out, millionths of a dollar.

create view recorded_runs as
select
    run_id, message_id, ticket_id, conversation_id, conversation_version, ending, escalation_reason, model,
    policy_version, instructions_version, start_time, end_time, reply_id, used.usages
from runs
left join lateral (
    select jsonb_object_agg(model, jsonb_build_array(requests, input_tokens, output_tokens, cost_micros)) as usages
    from (
        select
            usages.model, sum(requests) as requests, sum(input_tokens) as input_tokens,
            sum(output_tokens) as output_tokens, sum(cost_micros) as cost_micros
        from usages
        where usages.run_id = runs.run_id
        group by usages.model
    ) as by_model
) as used on true;
