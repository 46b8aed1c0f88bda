-- Every policy that runs were or could be judged by, and the one in force.

create table policies (
    version     text primary key check (version ~ '^[0-9A-Za-z._-]{1,40}$'),
    content     text not null,
    -- What a listing shows of the rules, by rank, so that it need not read the content.
    rules       jsonb not null,
    create_time timestamptz not null
);

create index policies_newest on policies (create_time desc, version desc);

-- One row at most: there is never a moment with two policies in force.
create table policy_in_force (
    singleton boolean primary key default true check (singleton),
    version   text not null references policies,
    since     timestamptz not null
);

create index runs_of_message on runs (message_id, start_time desc);
