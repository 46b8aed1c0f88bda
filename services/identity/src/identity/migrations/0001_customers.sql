-- Customers, and the identifiers that lead to them.

create table customers (
    customer_id  uuid primary key,
    display_name text not null default '',
    create_time  timestamptz not null,
    update_time  timestamptz not null
);

create index customers_newest on customers (create_time desc, customer_id desc);

create table identifiers (
    type        text not null check (type in ('email', 'phone')),
    value       text not null,
    -- Deferred: the identifier is claimed first, because its key decides which of many callers creates the customer.
    customer_id uuid not null references customers deferrable initially deferred,
    verified    boolean not null,
    create_time timestamptz not null,
    primary key (type, value)
);

create index identifiers_of_customer on identifiers (customer_id, create_time);
