import numpy as np
import pytest

from knowledge.errors import EmbeddingModelUnknown
from knowledge.ranking.embed import Embedder


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
