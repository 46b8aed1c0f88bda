-- name: get_article
-- This version of the article, or its newest one.
select
    articles.slug,
    articles.create_time,
    versions.version,
    versions.title,
    versions.sha256,
    versions.passage_count,
    versions.publish_time
from articles
join versions on versions.article = articles.slug and versions.version = coalesce($2::integer, articles.version)
where articles.slug = $1;

-- name: list_articles
-- Which articles come after this name, in their newest versions?
select
    articles.slug,
    articles.create_time,
    versions.version,
    versions.title,
    versions.sha256,
    versions.passage_count,
    versions.publish_time
from articles
join versions on versions.article = articles.slug and versions.version = articles.version
where articles.slug > $1
order by articles.slug
limit $2;

-- name: get_passages_of
-- All passages of one version, in the order of the document.
select passage_id, article, version, number, heading, text
from passages
where article = $1 and version = $2
order by number;

-- name: get_passage
-- One passage by its name.
select passage_id, article, version, number, heading, text
from passages
where article = $1 and version = $2 and number = $3;

-- name: get_passages
-- These passages.
select passage_id, article, version, number, heading, text
from passages
where passage_id = any($1::uuid[]);

-- name: add_article
-- The article's row, if this is its first import ever; waits for whoever is adding it at the same moment.
insert into articles (slug, version, create_time)
values ($1, 0, $2)
on conflict (slug) do nothing;

-- name: lock_article
-- Which version is the newest, and stays so until this transaction ends? And since when has the article been here?
select version, create_time
from articles
where slug = $1
for update;

-- name: add_version
-- What is published now.
insert into versions (article, version, title, sha256, passage_count, publish_time)
values ($1, $2, $3, $4, $5, $6);

-- name: move_to_version
-- The newest version from now on.
update articles
set version = $2
where slug = $1;

-- name: add_passages
-- The passages of a version.
insert into passages (passage_id, article, version, number, heading, text)
select passage.passage_id, $1, $2, passage.number, passage.heading, passage.text
from unnest($3::uuid[], $4::integer[], $5::text[], $6::text[]) as passage (passage_id, number, heading, text);

-- name: put_embedding
-- The vector of a passage by a model, in place of an older one.
insert into embeddings (passage_id, model, sha256, embedding)
values ($1, $2, $3, $4)
on conflict (passage_id, model) do update
set sha256 = excluded.sha256, embedding = excluded.embedding;

-- name: drop_embeddings_before
-- Older versions of the article are found no more.
with old as (
    select passage_id from passages where article = $1 and version < $2
),
unasked as (
    delete from phrasings using old where phrasings.passage_id = old.passage_id
)
delete from embeddings using old where embeddings.passage_id = old.passage_id;

-- name: list_phrasings
-- Which questions is each passage of an article's newest version known by, and which are known to be open beside it?
select passages.passage_id, passages.heading, phrasings.text, phrasings.answered
from articles
join passages on passages.article = articles.slug and passages.version = articles.version
left join phrasings on phrasings.passage_id = passages.passage_id and phrasings.model = $2
where articles.slug = $1
order by passages.number, phrasings.number;

-- name: drop_phrasings
-- All questions of these passages.
delete from phrasings
where passage_id = any($1::uuid[]) and model = $2;

-- name: add_phrasing
-- A question beside a passage, which the passage answers or no document does, and its vector by a model.
insert into phrasings (passage_id, model, number, text, answered, embedding)
values ($1, $2, $3, $4, $5, $6);

-- name: lock_phrasings
-- Nobody else writes questions until this transaction ends; searches go on.
lock table phrasings in share row exclusive mode;

-- name: count_phrasings
-- How many questions are there, of any model?
select count(*)
from phrasings;

-- name: get_phrasing_indexes
-- How are the indexes of the questions' vectors dropped, and how made again? As the catalogue has them, so that they are
-- defined in the migrations alone.
select format('drop index %I.%I', schemaname, indexname) as forget, indexdef as build
from pg_indexes
where schemaname = current_schema() and tablename = 'phrasings' and indexdef like '% USING hnsw %'
order by indexname;

-- name: put_question_lexemes
-- All words of the questions that each of these passages answers, as they stand in phrasings now.
-- Rows that have them are left alone: a row that is written finds its place in the index of vectors again.
with asked as (
    select
        embeddings.passage_id,
        array_to_tsvector(array(
            select distinct lexeme
            from phrasings, unnest(tsvector_to_array(phrasings.lexemes)) as lexeme
            where phrasings.passage_id = embeddings.passage_id and phrasings.model = $2 and phrasings.answered
        )) as lexemes
    from embeddings
    where embeddings.passage_id = any($1::uuid[]) and embeddings.model = $2
)
update embeddings
set question_lexemes = asked.lexemes
from asked
where embeddings.passage_id = asked.passage_id and embeddings.model = $2 and embeddings.question_lexemes <> asked.lexemes;

-- name: get_embedded
-- Of which texts does this model have vectors, for one version's passages?
select embeddings.passage_id, embeddings.sha256
from embeddings
join passages using (passage_id)
where passages.article = $1 and passages.version = $2 and embeddings.model = $3;

-- name: find_known_all_minilm_l6_v2
-- Which questions of either sort, answered and open, are nearest to this one, and beside which passage do they stand? A
-- section of several passages has its questions as often. The model is spelt out because only a literal matches the
-- partial indexes; 40 is what one scan of such an index yields (hnsw.ef_search).
(
    select passage_id, text, true as answered, 1 - (embedding <=> $1) as cosine
    from phrasings
    where model = 'all-minilm-l6-v2' and answered
    order by embedding <=> $1
    limit 40
)
union all
(
    select passage_id, text, false, 1 - (embedding <=> $1)
    from phrasings
    where model = 'all-minilm-l6-v2' and not answered
    order by embedding <=> $1
    limit 40
);

-- name: find_candidates_all_minilm_l6_v2
-- Which passages may answer the question: those nearest by vector, those with all of its words, and those that are given
-- ($3), which are asked for in nearly these words? With the lexemes of the question, which of them each passage and its
-- questions have, and the state of the articles they come from. As above, the model is spelt out, and 40 is one scan.
with question as materialized (
    select
        plainto_tsquery('english', $2) as all_words,
        tsvector_to_array(to_tsvector('english', $2)) as lexemes,
        (select coalesce(sum(articles.version), 0) from articles) as revision
),
terms as materialized (
    -- Quoted as a tsquery wants it: a lexeme may be an address or a path.
    select lexeme, ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as term
    from question, unnest(question.lexemes) as lexeme
),
near as materialized (
    select passage_id
    from embeddings
    where model = 'all-minilm-l6-v2'
    order by embedding <=> $1
    limit 40
),
worded as materialized (
    select passages.passage_id
    from question
    join passages on passages.lexemes @@ question.all_words
    join embeddings on embeddings.passage_id = passages.passage_id and embeddings.model = 'all-minilm-l6-v2'
    order by ts_rank_cd(passages.lexemes, question.all_words) desc
    limit 20
),
candidates as (
    select passage_id from near
    union
    select unnest($3::uuid[])
    union
    select passage_id from worded
)
select
    passages.passage_id,
    1 - (embeddings.embedding <=> $1) as cosine,
    1 - known.distance as asked_cosine,
    array(
        select lexeme
        from terms
        where passages.lexemes @@ term or embeddings.question_lexemes @@ term
    ) as shared,
    question.lexemes as asked,
    question.revision
from candidates
join passages on passages.passage_id = candidates.passage_id
join embeddings on embeddings.passage_id = passages.passage_id and embeddings.model = 'all-minilm-l6-v2'
cross join question
cross join lateral (
    select min(phrasings.embedding <=> $1) as distance
    from phrasings
    where phrasings.passage_id = candidates.passage_id and phrasings.model = 'all-minilm-l6-v2' and phrasings.answered
) as known;

-- name: get_revision
-- Has any article changed? It grows with each version published.
select coalesce(sum(version), 0)
from articles;

-- name: list_texts
-- What do the newest versions say?
select passages.heading, passages.text
from articles
join passages on passages.article = articles.slug and passages.version = articles.version;

-- name: count_lexemes
-- In how many passages of the newest versions does each lexeme stand?
select word, ndoc
from ts_stat('
    select passages.lexemes
    from articles
    join passages on passages.article = articles.slug and passages.version = articles.version
');
