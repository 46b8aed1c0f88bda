-- Whether messages reach an identifier, as far as the providers told, and when that became known: of two notes the later
-- one stands, in whatever order they come. The version before knows neither column and goes on working.

alter table identifiers
    add column reachability      text not null default 'reachable'
        check (reachability in ('reachable', 'undeliverable', 'opted_out')),
    add column reachability_time timestamptz;
