-- What each attempt of a run cost, what each reply became, and what its sentences stand on.

alter table runs add column reply_id uuid;

create index runs_of_reply on runs (reply_id, start_time) where reply_id is not null;
create index runs_of_conversation on runs (conversation_id, conversation_version desc, start_time desc);
create index runs_by_end on runs (end_time);

create table sentences (
    run_id   uuid not null references runs on delete cascade,
    position smallint not null,
    text     text not null,
    passage  text not null,
    heading  text not null,
    quote    text not null,
    primary key (run_id, position)
);

-- Without a reference to the run: an attempt that failed has cost something before its run is on record, and a replay
-- never is.
create table usages (
    usage_id      uuid primary key,
    run_id        uuid not null,
    model         text not null,
    requests      integer not null,
    input_tokens  bigint not null,
    output_tokens bigint not null,
    cost_micros   bigint not null,
    end_time      timestamptz not null
);

create index usages_of_run on usages (run_id);
create index usages_by_end on usages (end_time);
