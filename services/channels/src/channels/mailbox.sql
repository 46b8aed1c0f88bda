-- The queries of the mailbox that is read.

-- name: open_mailbox
-- The mailbox as it is found at the first start: what is in it is not ours to answer.
insert into mailboxes (address, history_id, hinted_history_id, start_time, walk_time)
values ($1, $2, 0, clock_timestamp(), clock_timestamp())
on conflict (address) do nothing;

-- name: is_open
-- Was this mailbox found before?
select exists (select 1 from mailboxes where address = $1);

-- name: note_hint
-- Does this push tell of anything that is not filed yet? The furthest one is kept.
with noted as (
    update mailboxes
    set hinted_history_id = greatest(hinted_history_id, $2)
    where address = $1 and history_id < $2
    returning true
)
select exists (select 1 from noted) as news;

-- name: claim_walk
-- Is this mailbox ours to read for the next $3 seconds, and from where? Nothing comes back while somebody else reads it,
-- or when it was read within the last $4 seconds; a mailbox whose changes nobody has asked to be pushed cannot wait.
update mailboxes
set walker = $2, walk_until = clock_timestamp() + make_interval(secs => $3)
where address = $1
and (walker is null or walk_until < clock_timestamp())
and (walk_time <= clock_timestamp() - make_interval(secs => $4) or hinted_history_id > history_id or watch_time is null)
returning
    history_id,
    greatest(start_time, walk_time - make_interval(secs => $5)) as since,
    extract(epoch from clock_timestamp() - watch_time)::double precision as watched_seconds_ago;

-- name: held_seconds
-- For how long may whoever reads this mailbox keep silent until it is anybody's? Nothing comes back when nobody reads it.
select extract(epoch from walk_until - clock_timestamp())::double precision
from mailboxes
where address = $1 and walker is not null and walk_until > clock_timestamp();

-- name: advance_walk
-- Everything up to here is filed; is the mailbox still ours to read, for $4 seconds more?
update mailboxes
set history_id = greatest(history_id, $3), walk_until = clock_timestamp() + make_interval(secs => $4)
where address = $1 and walker = $2
returning true;

-- name: end_walk
-- Nobody reads it now. Was a push noted meanwhile that tells of more? $3: whether it was read to its end. $4: whether
-- what pushes told of and the history does not show is let go of: anybody may repeat a push with another number in it.
update mailboxes
set
    walker = null,
    walk_until = null,
    walk_time = case when $3 then clock_timestamp() else walk_time end,
    hinted_history_id = case when $4 then least(hinted_history_id, history_id) else hinted_history_id end
where address = $1 and walker = $2
returning hinted_history_id > history_id;

-- name: note_watch
-- Gmail has been asked to have changes pushed.
update mailboxes
set watch_time = clock_timestamp()
where address = $1;

-- name: list_unknown
-- Which of these mails were not taken in yet?
select mail.id
from unnest($1::text[]) with ordinality as mail (id, position)
where not exists (select 1 from inbound where channel = 'email' and provider_message_id = mail.id)
order by mail.position;
