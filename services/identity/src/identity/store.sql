-- name: find_customer_of
-- Which customer does this identifier belong to?
select customer_id
from identifiers
where type = $1 and value = $2;

-- name: claim_identifier
-- Whose is this identifier, if not the given new customer's? Waits for whoever is claiming it at the same moment.
insert into identifiers as known (type, value, customer_id, verified, create_time)
values ($1, $2, $3, $4, $5)
on conflict (type, value) do update
set verified = known.verified or excluded.verified
returning customer_id;

-- name: mark_identifier
-- Notes whether messages reach an identifier, unless a note as late stands already; its customer changed with it.
with marked as (
    update identifiers
    set reachability = $3, reachability_time = $4
    where type = $1 and value = $2 and (reachability_time is null or reachability_time < $4)
    returning customer_id
)
update customers
set update_time = $5
from marked
where customers.customer_id = marked.customer_id;

-- name: add_customer
-- A customer nobody knew before.
insert into customers (customer_id, display_name, create_time, update_time)
values ($1, $2, $3, $3);

-- name: learn_about_customer
-- The first name a customer gives stays; every change is dated.
update customers
set display_name = case when display_name = '' then $2 else display_name end,
    update_time = $3
where customer_id = $1;

-- name: get_customers
-- These customers, with all their identifiers, newest customer first, oldest identifier first.
select
    customers.customer_id,
    customers.display_name,
    customers.create_time,
    customers.update_time,
    identifiers.type,
    identifiers.value,
    identifiers.verified,
    identifiers.reachability
from customers
join identifiers using (customer_id)
where customers.customer_id = any($1::uuid[])
order by customers.create_time desc, customers.customer_id desc, identifiers.create_time, identifiers.type, identifiers.value;

-- name: list_customers
-- Which customers come after this one, newest first?
select customer_id
from customers
where $1::timestamptz is null or (create_time, customer_id) < ($1, $2::uuid)
order by create_time desc, customer_id desc
limit $3;
