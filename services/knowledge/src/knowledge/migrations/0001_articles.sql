-- Articles, their versions, the passages these are made of, and the vectors of those that can be found.

create table articles (
    slug        text primary key,
    version     integer not null check (version >= 0),
    create_time timestamptz not null
);

comment on column articles.version is 'The newest one, the only one that is searched; 0 only while the first is being written.';

create table versions (
    article       text not null references articles,
    version       integer not null check (version >= 1),
    title         text not null,
    sha256        text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    passage_count integer not null,
    publish_time  timestamptz not null,
    primary key (article, version)
);

create table passages (
    passage_id uuid primary key,
    article    text not null,
    version    integer not null,
    number     integer not null check (number >= 1),
    heading    text not null,
    text       text not null,
    lexemes    tsvector not null generated always as
        (setweight(to_tsvector('english', heading), 'A') || to_tsvector('english', text)) stored,
    unique (article, version, number),
    foreign key (article, version) references versions (article, version)
);

create index passages_by_lexeme on passages using gin (lexemes);

-- Only passages of the newest versions have rows here: what has no vector is kept, and never found.
create table embeddings (
    passage_id uuid not null references passages,
    model      text not null,
    sha256     text not null,
    embedding  vector(384) not null,
    primary key (passage_id, model)
);

comment on column embeddings.sha256 is 'Of the text that was embedded: when that changes, the vector is made anew.';

-- One index for each model: vectors of different models cannot be compared.
create index embeddings_near_all_minilm_l6_v2 on embeddings
    using hnsw (embedding vector_cosine_ops) where model = 'all-minilm-l6-v2';
