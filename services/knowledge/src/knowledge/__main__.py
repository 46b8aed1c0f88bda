"""`python -m knowledge` serves; `python -m knowledge migrate` brings its schema up to date."""

from knowledge.app import build
from knowledge.settings import Settings
from meshkit.run import run

run("knowledge", Settings, build)
