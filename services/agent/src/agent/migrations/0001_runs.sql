-- What the agent did: one run for each event of the desk, and its steps.

create table runs (
    run_id               uuid primary key,
    message_id           uuid not null,
    ticket_id            uuid not null,
    conversation_id      uuid not null,
    conversation_version bigint not null,
    ending               text not null check (ending in ('REPLIED', 'ESCALATED', 'SKIPPED')),
    escalation_reason    text check ((escalation_reason is not null) = (ending = 'ESCALATED')),
    model                text not null,
    policy_version       text not null,
    instructions_version text not null,
    start_time           timestamptz not null,
    end_time             timestamptz not null
);

create index runs_newest on runs (start_time desc, run_id desc);
create index runs_of_ticket on runs (ticket_id, start_time desc, run_id desc);

create table steps (
    run_id      uuid not null references runs on delete cascade,
    position    smallint not null,
    name        text not null,
    outcome     text not null check (outcome in ('ok', 'refused', 'rejected', 'failed')),
    -- Facts as words, never a customer's own.
    facts       jsonb not null,
    duration_ms double precision not null,
    primary key (run_id, position)
);
