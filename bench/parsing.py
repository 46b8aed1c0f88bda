"""How long channels reads a mail, and splits a text into messages, by size.

A mail is timed from its bytes to what would be filed: sender, words without quotations and signature, facts of its
files with their hashes, and whether it is to be answered. Each shape of a megabyte is read many times. The sizes up to
what Gmail lets through are read several times each, and the least CPU time counts: what the machine did besides is not
the reader's. How many times longer twice the size takes is the slope of a line through the logarithms of all sizes.

    python -m bench parsing
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.arithmetic import per_doubling, percentile
from bench.mails import MEBIBYTE, SHAPES
from channels.providers.gmail.ear import Received, hear
from channels.providers.whatsapp.splitting import split

OUR_ADDRESS = "support@techcorp.example"
WARM_READS, READS = 5, 40
MEGABYTES = (1, 2, 4, 8, 16, 25)
READS_BY_SIZE = 5
CHARACTERS = tuple(2**power * 1000 for power in range(8))
SPLITS = 5
CHARACTERS_MAX = 300
TEXTS: Mapping[str, str] = {
    "sentences": "You can export a board at any time. Open its menu, choose Export, and pick CSV. That is all! ",
    "one word": "exportieren",
    "emoji": "👩🏽‍💻👨‍👩‍👧‍👦🏳️‍🌈",
    "links and numbers": "See https://help.techcorp.example/export?board=12345 or call +49 30 1234 5678, 9:00-17:30. ",
}


def measure() -> dict[str, Any]:
    """A megabyte of each shape, and milliseconds by size for mails and for texts."""
    # As the services do at the end of their start.
    gc.collect()
    gc.freeze()
    try:
        one_megabyte = {name: _one_megabyte(make(MEBIBYTE)) for name, make in SHAPES.items()}
        mails = {name: [_mail_ms(make, size) for size in MEGABYTES] for name, make in SHAPES.items()}
        texts = {name: [_text_ms(piece, length) for length in CHARACTERS] for name, piece in TEXTS.items()}
    finally:
        gc.unfreeze()
    return {
        "one_megabyte": one_megabyte,
        "mails_ms_by_megabytes": _by_size(MEGABYTES, mails),
        "texts_ms_by_characters": _by_size(CHARACTERS, texts),
        "times_longer_for_twice_the_size": {
            "mails": _growth(MEGABYTES, mails),
            "texts": _growth(CHARACTERS, texts),
        },
    }


def _mail_ms(make: Callable[[int], bytes], megabytes: int) -> float:
    return _milliseconds(_reading(make(megabytes * MEBIBYTE)), READS_BY_SIZE)


def _text_ms(piece: str, characters: int) -> float:
    return _milliseconds(_splitting(piece, characters), SPLITS)


def _one_megabyte(raw: bytes) -> dict[str, float]:
    read = _reading(raw)
    for _ in range(WARM_READS):
        read()
    taken = [_seconds(read) for _ in range(READS)]
    return {
        "bytes": len(raw),
        "median_ms": round(1000 * percentile(taken, 0.5), 2),
        "p95_ms": round(1000 * percentile(taken, 0.95), 2),
    }


def _reading(raw: bytes) -> Callable[[], object]:
    received = Received("gmail-1", "thread-1", datetime(2026, 3, 1, 12, 0, tzinfo=UTC), raw)
    return lambda: hear(received, OUR_ADDRESS)


def _splitting(piece: str, length: int) -> Callable[[], object]:
    text = (piece * (length // len(piece) + 1))[:length]
    return lambda: split(text, CHARACTERS_MAX)


def _milliseconds(work: Callable[[], object], times: int) -> float:
    return 1000 * min(_seconds(work, time.process_time) for _ in range(times))


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def _by_size(sizes: Sequence[int], columns: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    return {
        str(size): {name: round(values[place], 2) for name, values in columns.items()}
        for place, size in enumerate(sizes)
    }


def _growth(sizes: Sequence[int], columns: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: round(per_doubling(sizes, values), 2) for name, values in columns.items()}
