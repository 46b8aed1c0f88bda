"""Vectors that were made ahead are taken where they are of the same text and model, and refused by their setting."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from services.knowledge.tests.conftest import GUIDE, SHOP, Start

from knowledge.errors import VectorsUnusable
from knowledge.ranking import ahead, vectors
from knowledge.ranking.embed import Embedder
from knowledge.settings import ContextSettings, Settings
from local.paths import CONTEXT
from meshkit.minilm import DIMENSIONS
from meshkit.settings import SettingsError
from meshkit.testing import settings_for

MODEL = "all-minilm-l6-v2"


def made_up(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.eye(count, DIMENSIONS, dtype=np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "vectors.safetensors"


async def test_what_is_in_the_file_is_taken_from_it_and_the_rest_embedded(file: Path) -> None:
    vectors.write(file, MODEL, ["one", "two"], made_up(2))
    async with Embedder(MODEL) as plain, Embedder(MODEL, ahead=file) as embedder:
        found = await embedder.embed(["two", "three", "one", "One"])
        np.testing.assert_array_equal(found[[2, 0]], made_up(2))
        np.testing.assert_allclose(found[[1, 3]], await plain.embed(["three", "One"]), atol=1e-6)
        np.testing.assert_array_equal(await embedder.embed(["one"]), made_up(1))
        np.testing.assert_array_equal(await embedder.embed_question("two"), made_up(2)[1])
        assert (await embedder.embed([])).shape == (0, DIMENSIONS)


async def test_the_command_makes_all_that_a_start_embeds(
    start: Start, context: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (context / "asked.md").write_text("## Prices\n\n- How much is a kite?\n")
    (context / "open.md").write_text("## Prices\n\n- Do you rent kites?\n")
    changes: dict[str, Any] = {
        "context_questions": "asked.md",
        "context_open_questions": "open.md",
        "embedding_left_out": ("kite",),
    }
    settings = ContextSettings(context_dir=context, context_documents=("guide.md", "shop.md"), **changes)
    assert await ahead.make(settings, file) == 7
    asked: list[str] = []

    def encode(self: object, texts: list[str]) -> object:
        asked.extend(texts)
        return made_up(len(texts))

    monkeypatch.setattr("meshkit.minilm.MiniLm.encode", encode)
    async with start(**changes, embedded_ahead=file):
        assert asked == []
    (context / "shop.md").write_text(SHOP.replace("Mondays", "Sundays"))
    (context / "guide.md").write_text(GUIDE)
    async with start(**changes, embedded_ahead=file):
        assert [text.splitlines()[0] for text in asked] == ["Opening hours"]


def test_the_command_reads_the_settings_of_the_service_and_says_what_is_wrong_with_them(
    context: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "CONTEXT_DIR": str(context),
        "CONTEXT_DOCUMENTS": '["shop.md"]',
        "CONTEXT_QUESTIONS": "shop.md",
        "CONTEXT_OPEN_QUESTIONS": "guide.md",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        ahead.main([str(file)])
    assert ended.value.code == 1
    assert "guide.md, named by CONTEXT_OPEN_QUESTIONS" in capsys.readouterr().err
    (context / "guide.md").write_text("none\n")
    ahead.main([str(file)])
    assert vectors.read(file, MODEL).of("Prices") is None
    with pytest.raises(SystemExit) as ended:
        ahead.main([])
    assert ended.value.code == 2


def test_a_file_of_another_model_is_refused(file: Path) -> None:
    vectors.write(file, "gpt", ["one"], made_up(1))
    with pytest.raises(VectorsUnusable, match=f"^EMBEDDED_AHEAD names {file}, which is of the model 'gpt'"):
        vectors.read(file, MODEL)


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty", "other tensors", "too few", "too short"])
async def test_what_is_no_such_file_fails_the_start_by_the_name_of_the_setting(
    start: Start, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "vectors.safetensors"
    whole: dict[str, Any] = {"sha256": np.zeros((2, 32), np.uint8), "vectors": made_up(2)}
    if kind == "folder":
        file.mkdir()
    elif kind == "text":
        file.write_text("these are no vectors, and longer than a head\n" * 10)
    elif kind == "empty":
        file.touch()
    elif kind == "other tensors":
        save_file({"weights": made_up(1)}, file, metadata={"model": MODEL})
    elif kind == "too few":
        save_file({**whole, "vectors": made_up(1)}, file, metadata={"model": MODEL})
    elif kind == "too short":
        save_file({**whole, "vectors": np.zeros((2, 3), np.float32)}, file, metadata={"model": MODEL})
    with pytest.raises(VectorsUnusable, match=f"^EMBEDDED_AHEAD names {file}, which ") as raised:
        async with start(embedded_ahead=file):
            raise AssertionError("it started")
    assert isinstance(raised.value, SettingsError)


def test_the_defaults_are_those_of_the_service() -> None:
    ours, services = ContextSettings(), settings_for(Settings)
    assert {name: getattr(services, name) for name in ContextSettings.model_fields} == ours.model_dump()
    assert services.embedded_ahead is None
    assert all((CONTEXT / name).is_file() for name in (*ours.context_documents, ours.context_open_questions))
