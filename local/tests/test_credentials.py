"""Keys, passwords and tokens: made once, closed to others, and good for the services that check them."""

import json
import stat
import time
from pathlib import Path

import jwt
import pytest

from local.credentials import DAY_SECONDS, STAFF_TOKEN_DAYS, Credentials
from local.ports import SERVICES

ISSUER = "https://fte.local"
AUDIENCE = "fte"


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path / "secrets", SERVICES)


def verified(token: str, jwks: Path) -> dict[str, object]:
    key_id = jwt.get_unverified_header(token)["kid"]
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(jwks.read_text())["keys"]}
    claims: dict[str, object] = jwt.decode(token, keys[key_id], algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE)
    return claims


def test_nobody_else_can_read_any_of_it(credentials: Credentials, tmp_path: Path) -> None:
    credentials.secret("status_token_key")
    credentials.passwords(SERVICES)
    credentials.gmail_key_file("http://127.0.0.1:7202/token")
    credentials.renew_staff_token(tmp_path / "staff.jwt", issuer=ISSUER, audience=AUDIENCE)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    files = [*(tmp_path / "secrets").iterdir(), tmp_path / "staff.jwt"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_everything_is_the_same_after_a_restart_and_different_elsewhere(tmp_path: Path) -> None:
    first, again, other = (Credentials(tmp_path / name, SERVICES) for name in ("one", "one", "two"))
    assert first.passwords(SERVICES) == again.passwords(SERVICES)
    assert first.services_jwks.read_text() == again.services_jwks.read_text()
    assert first.secret("page_token_key") == again.secret("page_token_key")
    assert first.secret("page_token_key") != other.secret("page_token_key")
    assert len(set(first.passwords(SERVICES).values())) == len(SERVICES)


def test_each_service_signs_with_its_own_key_and_all_can_check_it(credentials: Credentials) -> None:
    for service in SERVICES:
        token = jwt.encode(
            {"iss": ISSUER, "aud": AUDIENCE, "sub": service},
            credentials.service_key_file(service).read_bytes(),
            algorithm="ES256",
            headers={"kid": service},
        )
        assert verified(token, credentials.services_jwks)["sub"] == service


def test_public_key_sets_hold_no_private_part(credentials: Credentials) -> None:
    for jwks in (credentials.services_jwks, credentials.staff_jwks):
        for key in json.loads(jwks.read_text())["keys"]:
            assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_the_staff_token_is_good_for_thirty_days_and_kept_while_it_is(credentials: Credentials, tmp_path: Path) -> None:
    file = tmp_path / "staff.jwt"
    credentials.renew_staff_token(file, issuer=ISSUER, audience=AUDIENCE)
    first = file.read_text()
    expiry = verified(first, credentials.staff_jwks)["exp"]
    assert isinstance(expiry, int)
    assert abs(expiry - time.time() - STAFF_TOKEN_DAYS * DAY_SECONDS) < 60
    credentials.renew_staff_token(file, issuer=ISSUER, audience=AUDIENCE)
    assert file.read_text() == first


@pytest.mark.parametrize("flaw", ["nearly expired", "expired", "another audience", "another key", "garbage"])
def test_a_staff_token_that_is_no_longer_good_is_renewed(flaw: str, credentials: Credentials, tmp_path: Path) -> None:
    file = tmp_path / "staff.jwt"
    key = (tmp_path / "secrets" / "staff.pem").read_bytes()
    if flaw == "another key":
        key = credentials.service_key_file("agent").read_bytes()
    days = {"nearly expired": 6, "expired": -1}.get(flaw, 20)
    audience = "another" if flaw == "another audience" else AUDIENCE
    claims = {"iss": ISSUER, "aud": audience, "sub": "local", "exp": int(time.time()) + days * DAY_SECONDS}
    bad = "not a token" if flaw == "garbage" else jwt.encode(claims, key, algorithm="ES256", headers={"kid": "staff"})
    file.write_text(bad)
    credentials.renew_staff_token(file, issuer=ISSUER, audience=AUDIENCE)
    assert file.read_text() != bad
    assert verified(file.read_text(), credentials.staff_jwks)["sub"] == "local"


def test_the_gmail_key_stays_when_its_token_endpoint_moves(tmp_path: Path) -> None:
    def key_file(port: int) -> dict[str, str]:
        file = Credentials(tmp_path / "secrets", SERVICES).gmail_key_file(f"http://127.0.0.1:{port}/token")
        account: dict[str, str] = json.loads(file.read_text())
        return account

    first, moved = key_file(7202), key_file(8202)
    assert moved["private_key"] == first["private_key"]
    assert (first["token_uri"], moved["token_uri"]) == ("http://127.0.0.1:7202/token", "http://127.0.0.1:8202/token")
