"""`python -m channels` serves; `python -m channels migrate` brings the schema up to date."""

from channels.app import build
from channels.settings import Settings
from meshkit.run import run

run("channels", Settings, build)
