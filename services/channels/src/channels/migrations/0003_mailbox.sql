-- How far each mailbox has been read. All times by the database's own clock: walkers may disagree about the time.
create table mailboxes (
    address           text primary key,
    -- Everything up to this point of Gmail's history is filed.
    history_id        bigint not null,
    -- The furthest point that a push has told of.
    hinted_history_id bigint not null,
    -- What came before this was there before us, and is nobody's question.
    start_time        timestamptz not null,
    -- When it was last read to its end, and when Gmail was last asked to have changes pushed.
    walk_time         timestamptz not null,
    watch_time        timestamptz,
    -- Who reads it now, and until when that is believed.
    walker            uuid,
    walk_until        timestamptz
);
