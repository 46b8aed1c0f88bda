"""What stands between the wire and a handler, one concern a module; `pipeline` puts them in order."""

from meshkit.interceptors.pipeline import Pipeline

__all__ = ["Pipeline"]
