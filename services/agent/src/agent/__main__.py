"""`python -m agent` serves; `python -m agent migrate` brings the schema up to date."""

from agent.app import build
from agent.settings import Settings
from meshkit.run import run

run("agent", Settings, build)
