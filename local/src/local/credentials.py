"""The keys, passwords and tokens of a local mesh: made once, kept in its state folder, readable by its owner only."""

import json
import os
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

DAY_SECONDS = 24 * 60 * 60
STAFF_TOKEN_DAYS = 30
STAFF_TOKEN_RENEWED_DAYS = 7
STAFF_KEY = "staff"


class Credentials:
    """What `folder` holds after the first use. Every file in it has mode 0600, the folder 0700."""

    def __init__(self, folder: Path, services: Sequence[str]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in (*services, STAFF_KEY):
            if not self._key_file(name).exists():
                write_private(self._key_file(name), _new_key())
        write_private(self.services_jwks, self._jwks(services))
        write_private(self.staff_jwks, self._jwks([STAFF_KEY]))

    @property
    def services_jwks(self) -> Path:
        """The public keys of all services, as a JWKS (RFC 7517); each key's id is its service's name."""
        return self._folder / "services.jwks.json"

    @property
    def staff_jwks(self) -> Path:
        """The public key that staff tokens are checked with, as a JWKS."""
        return self._folder / "staff.jwks.json"

    def service_key_file(self, service: str) -> Path:
        """A service's own private key (EC P-256, PEM)."""
        return self._key_file(service)

    def secret(self, name: str) -> str:
        """A random secret of 256 bits that is the same each time it is asked for by this name."""
        file = self._folder / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text()

    def passwords(self, services: Sequence[str]) -> Mapping[str, str]:
        """The database password of every service."""
        return {service: self.secret(f"{service}.password") for service in services}

    def gmail_key_file(self, token_url: str) -> Path:
        """A service account's key file, as Google gives them out, for the simulated Google; `token_url` signs it in."""
        file = self._folder / "gmail.json"
        # A mesh with other ports has its tokens from elsewhere; the key stays.
        account = json.loads(file.read_text()) if file.exists() else _new_service_account()
        if account.get("token_uri") != token_url:
            write_private(file, json.dumps({**account, "token_uri": token_url}, indent=2))
        return file

    def renew_staff_token(self, file: Path, *, issuer: str, audience: str) -> None:
        """Write a token for the staff member `local` into `file`, unless the one there is good for a week more."""
        key = self._key_file(STAFF_KEY).read_bytes()
        if file.exists() and self._remaining_seconds(file.read_text(), issuer, audience) > (
            STAFF_TOKEN_RENEWED_DAYS * DAY_SECONDS
        ):
            return
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": audience,
            "sub": "local",
            "iat": now,
            "exp": now + STAFF_TOKEN_DAYS * DAY_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        write_private(file, jwt.encode(claims, key, algorithm="ES256", headers={"kid": STAFF_KEY}))

    def _remaining_seconds(self, token: str, issuer: str, audience: str) -> float:
        public = _load_key(self._key_file(STAFF_KEY)).public_key()
        try:
            claims = jwt.decode(token, public, algorithms=["ES256"], issuer=issuer, audience=audience)
        except jwt.InvalidTokenError:
            return 0
        return float(claims["exp"]) - time.time()

    def _key_file(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _jwks(self, names: Sequence[str]) -> str:
        keys = []
        for name in names:
            public = ECAlgorithm.to_jwk(_load_key(self._key_file(name)).public_key(), as_dict=True)
            keys.append({**public, "kid": name, "use": "sig", "alg": "ES256"})
        return json.dumps({"keys": keys}, indent=2)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read; whoever reads it sees the old text or the new one, whole."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    unfinished.replace(file)


def _new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _new_service_account() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "fte-local",
        "private_key_id": secrets.token_hex(20),
        "private_key": key.decode(),
        "client_email": "fte@fte-local.iam.gserviceaccount.com",
        "client_id": str(secrets.randbelow(10**21)),
    }


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
