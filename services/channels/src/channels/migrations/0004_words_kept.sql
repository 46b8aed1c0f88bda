-- Whose words are still kept: few, and looked for every few minutes among all that was ever sent.
create index parts_with_content on parts (delivery_id) where content is not null;
