-- How customers ask for what a passage says: it is found by these words too, and none of them is ever quoted.

create table phrasings (
    passage_id uuid not null references passages,
    model      text not null,
    number     integer not null check (number >= 1),
    text       text not null,
    lexemes    tsvector not null generated always as (to_tsvector('english', text)) stored,
    embedding  vector(384) not null,
    primary key (passage_id, model, number)
);

comment on table phrasings is 'Like embeddings: only passages of the newest versions have rows here.';

create index phrasings_near_all_minilm_l6_v2 on phrasings
    using hnsw (embedding vector_cosine_ops) where model = 'all-minilm-l6-v2';
