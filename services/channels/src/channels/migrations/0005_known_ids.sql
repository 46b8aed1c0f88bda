-- Which of all sent messages of a provider are on record? A lookup passes them over.
create index parts_known on parts (channel, claim_time) where provider_message_id <> '';
