import math
from pathlib import Path

import numpy as np
import pytest

from meshkit.minilm import DIMENSIONS, TOKENS_MAX, MiniLm, find_weights, gelu

QUESTION = "How can I set a new password?"


@pytest.fixture(scope="module")
def network() -> MiniLm:
    return MiniLm(_folder())


def _folder() -> Path:
    folder = find_weights()
    assert folder is not None
    return folder


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
        *(f"question {number}" for number in range(20)),
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


def test_an_adapter_changes_what_it_names_and_nothing_else(network: MiniLm) -> None:
    draw = np.random.default_rng(1)
    down = np.float32(0.05) * draw.normal(size=(DIMENSIONS, 4)).astype(np.float32)
    up = draw.normal(size=(4, 4 * DIMENSIONS)).astype(np.float32)
    adapted = MiniLm(_folder(), {"5.feed_in.down": down, "5.feed_in.up": up})
    assert not np.allclose(adapted.encode([QUESTION]), network.encode([QUESTION]), atol=1e-3)
    nothing = MiniLm(_folder(), {"5.feed_in.down": down, "5.feed_in.up": np.zeros_like(up)})
    np.testing.assert_array_equal(nothing.encode([QUESTION]), network.encode([QUESTION]))


def test_before_it_is_brought_to_length_one_a_vector_points_the_same_way(network: MiniLm) -> None:
    pooled, unit = network.pool([QUESTION])[0], network.encode([QUESTION])[0]
    assert np.linalg.norm(pooled) > 1.5
    np.testing.assert_allclose(pooled / np.linalg.norm(pooled), unit, atol=1e-6)
