"""The queries of runs and of what they used."""

from typing import Final

from meshkit import sql

QUERIES: Final = sql.load("agent")
