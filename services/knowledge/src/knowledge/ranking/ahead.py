"""Makes the vectors of all that a start imports: `python -m knowledge.ranking.ahead FILE`.

It reads the same settings as the service, from the environment. With the file named by EMBEDDED_AHEAD, a first start
embeds only what has changed since.
"""

import asyncio
import sys
from pathlib import Path

from knowledge.ranking import context, vectors
from knowledge.ranking.embed import Embedder
from knowledge.settings import ContextSettings
from meshkit.settings import SettingsError, load


async def make(settings: ContextSettings, path: Path) -> int:
    """Writes the vectors of what these settings import, and returns how many. Raises a SettingsError."""
    found = context.read(
        settings.context_dir,
        settings.context_documents,
        settings.context_questions,
        settings.context_open_questions,
    )
    texts = found.embedded_texts(settings.embedding_left_out)
    async with Embedder(settings.embedding_model, threads=settings.embedding_threads) as embedder:
        made = await embedder.embed(texts)
    vectors.write(path, settings.embedding_model, texts, made)
    return len(texts)


def main(arguments: list[str]) -> None:
    """Runs the command. Exits with 1 and one sentence on standard error when it cannot."""
    if len(arguments) != 1:
        print("usage: python -m knowledge.ranking.ahead FILE", file=sys.stderr)
        raise SystemExit(2)
    try:
        asyncio.run(make(load(ContextSettings), Path(arguments[0])))
    except SettingsError as error:
        print(f"knowledge: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(sys.argv[1:])
