-- Messages that wait for their turn, or of which nobody can tell whether they were sent; and the subject of a
-- customer's newest mail, because a reply under another one would leave their thread. The version before goes on
-- working: it never writes the new words, and knows nothing of the new columns.

alter table messages drop constraint messages_delivery_state_check;
alter table messages add constraint messages_delivery_state_check check (delivery_state in (
  'UNSPECIFIED', 'QUEUED', 'CLAIMED', 'UNCERTAIN', 'SENT', 'DELIVERED', 'READ', 'FAILED'
));

-- When the newest of the receipts that counted was given; null before the first.
alter table messages add column delivery_time timestamptz;

alter table conversations add column mail_subject text not null default '';
