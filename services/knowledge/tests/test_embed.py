import math

import numpy as np
import pytest

from knowledge.errors import EmbeddingModelUnknown
from knowledge.ranking.embed import DIMENSIONS, TOKENS_MAX, Embedder, MiniLm, gelu

QUESTION = "How can I set a new password?"


def test_vectors_have_length_one_and_the_right_shape(network: MiniLm) -> None:
    vectors = network.encode([QUESTION, "", "漢字 and emoji 😀", "a"])
    assert vectors.shape == (4, DIMENSIONS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_paraphrase_is_nearer_than_another_subject(network: MiniLm) -> None:
    question, paraphrase, other = network.encode(
        [QUESTION, "I forgot my login credentials and need to choose another one", "The kite costs 35 euros"]
    )
    assert question @ paraphrase > 0.5 > 0.2 > question @ other


def test_a_batch_gives_what_each_text_gives_alone(network: MiniLm) -> None:
    texts = [
        QUESTION,
        "Short.",
        "How can I set a new board?",
        "x " * 90,
        *(f"question {number}" for number in range(70)),
    ]
    together = network.encode(texts)
    alone = np.concatenate([network.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_what_lies_past_the_limit_is_not_read(network: MiniLm) -> None:
    long, longer = network.encode(["word " * TOKENS_MAX, "word " * TOKENS_MAX + "and quite another end " * 50])
    np.testing.assert_allclose(long, longer, atol=2e-6)


def test_nothing_to_embed_is_no_vector(network: MiniLm) -> None:
    assert network.encode([]).shape == (0, DIMENSIONS)


def test_the_activation_is_x_times_the_normal_distribution() -> None:
    x = np.linspace(-6, 6, 1001, dtype=np.float32)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.tolist()]
    np.testing.assert_allclose(gelu(x), exact, atol=1e-6)


def test_an_unknown_model_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(EmbeddingModelUnknown, match=r"EMBEDDING_MODEL is 'gpt'.*all-minilm-l6-v2"):
        Embedder("gpt")


async def test_the_last_questions_are_remembered_and_no_more() -> None:
    async with Embedder("all-minilm-l6-v2", remembered=2) as embedder:
        first = await embedder.embed_question("first")
        second = await embedder.embed_question("second")
        assert await embedder.embed_question("first") is first
        await embedder.embed_question("third")
        assert await embedder.embed_question("first") is first
        again = await embedder.embed_question("second")
        assert again is not second
        np.testing.assert_array_equal(again, second)


async def test_an_embedder_that_was_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="not entered"):
        await Embedder("all-minilm-l6-v2").embed(["a"])


async def test_whole_words_of_the_language_are_known() -> None:
    async with Embedder("all-minilm-l6-v2") as embedder:
        assert {"password", "married"} <= embedder.words
        assert "pasword" not in embedder.words
