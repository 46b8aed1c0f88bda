"""`python -m identity` serves; `python -m identity migrate` brings the schema up to date."""

from identity.app import build
from identity.settings import Settings
from meshkit.run import run

run("identity", Settings, build)
