-- name: add_policy
-- Writes a policy, and says whether its version was new: none is ever changed.
insert into policies (version, content, rules, create_time)
values ($1, $2, $3, $4)
on conflict (version) do nothing
returning version;

-- name: get_policy
-- Which policy has this version, and is it in force?
select policies.version, content, rules, create_time, since is not null as active
from policies
left join policy_in_force on policy_in_force.version = policies.version
where policies.version = $1;

-- name: list_policies
-- Which policies come after this place, newest first, without their content?
select policies.version, '' as content, rules, create_time, since is not null as active
from policies
left join policy_in_force on policy_in_force.version = policies.version
where $1::timestamptz is null or (create_time, policies.version) < ($1, $2::text)
order by create_time desc, policies.version desc
limit $3;

-- name: put_in_force
-- Puts a policy in force in place of the one that was; it changes nothing when it is in force already.
insert into policy_in_force (version, since)
values ($1, $2)
on conflict (singleton) do update set version = excluded.version, since = excluded.since
where policy_in_force.version <> excluded.version;

-- name: put_in_force_first
-- Puts a policy in force unless one is.
insert into policy_in_force (version, since)
values ($1, $2)
on conflict (singleton) do nothing;

-- name: version_in_force
-- Which policy is in force?
select version from policy_in_force;

-- name: policy_versions_of_messages
-- By which policy was each of these messages judged last, where a run ended it?
select distinct on (message_id) message_id, policy_version
from runs
where message_id = any($1::uuid[]) and ending <> 'SKIPPED'
order by message_id, start_time desc;
