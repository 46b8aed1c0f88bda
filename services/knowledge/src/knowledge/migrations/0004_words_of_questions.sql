-- The words of the questions that a passage answers, together: a search read them from each question again.

alter table embeddings add column question_lexemes tsvector not null default '';

comment on column embeddings.question_lexemes is 'Written with the questions in phrasings, of those that are answered.';

update embeddings
set question_lexemes = array_to_tsvector(asked.lexemes)
from (
    select phrasings.passage_id, phrasings.model, array_agg(distinct lexeme) as lexemes
    from phrasings, unnest(tsvector_to_array(phrasings.lexemes)) as lexeme
    where phrasings.answered
    group by phrasings.passage_id, phrasings.model
) as asked
where asked.passage_id = embeddings.passage_id and asked.model = embeddings.model;
