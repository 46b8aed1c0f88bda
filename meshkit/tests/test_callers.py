"""Tokens: what proves a caller, and everything that does not."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from meshkit import callers
from meshkit.callers import PUBLIC, Caller, Keys, TokenSource, Verifier, authorised, permits
from meshkit.errors import PermissionDenied, Unauthenticated, Unavailable
from meshkit.settings import ServiceSettings, SettingsError
from meshkit.testing import jwks, settings_for, signed, tokens_for


def token_of(name: str) -> str:
    tokens = tokens_for(name)
    assert tokens is not None
    return tokens.token()


@pytest.fixture
def verifier() -> Verifier:
    return Verifier(settings_for(ServiceSettings))


def own_keys(folder: Path, service: str) -> ServiceSettings:
    """Settings of a service that signs for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    file = folder / f"{service}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return settings_for(
        ServiceSettings, service_key_file=file, service_jwks=jwks(key, service), service_account_namespace=None
    )


def test_a_service_and_a_person_are_told_apart(verifier: Verifier) -> None:
    assert verifier.verify(token_of("agent")) == Caller("service", "agent")
    assert verifier.verify(token_of("staff")) == Caller("staff", "ada")


def test_a_minted_token_proves_its_service(tmp_path: Path) -> None:
    settings = own_keys(tmp_path, "agent")
    assert Verifier(settings).verify(TokenSource(settings, "agent").token()) == Caller("service", "agent")


def test_a_services_key_speaks_for_no_other(tmp_path: Path) -> None:
    settings = own_keys(tmp_path, "agent")
    source = TokenSource(settings, "agent")
    source._service = "tickets"
    key = source._key
    assert key is not None
    claims = {
        "iss": settings.service_jwt_issuer,
        "aud": "fte",
        "sub": "tickets",
        "exp": time.time() + 60,
    }
    forged = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "agent"})
    account = jwt.encode(
        {**claims, "sub": "system:serviceaccount:testing:tickets"}, key, algorithm="ES256", headers={"kid": "agent"}
    )
    for token in (forged, account):
        with pytest.raises(Unauthenticated):
            Verifier(settings).verify(token)


def _changed(token: str, **claims: Any) -> str:
    """The token with other claims under the old signature."""
    head, body, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    changed = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def _with_public_key_as_secret() -> str:
    """The classic: HS256 keyed with what everybody may know."""
    settings = settings_for(ServiceSettings)
    entry = json.loads(settings.staff_jwks)["keys"][0]
    claims = {"iss": settings.staff_jwt_issuer, "aud": "fte", "sub": "eve", "exp": time.time() + 60}
    header = {"alg": "HS256", "typ": "JWT", "kid": entry["kid"]}
    # By hand: the library refuses to sign with a public key.
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    public = jwt.PyJWK(entry).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mac = hmac.digest(public, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def _unsigned() -> str:
    settings = settings_for(ServiceSettings)
    claims = {"iss": settings.staff_jwt_issuer, "aud": "fte", "sub": "eve", "exp": time.time() + 60}
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "testing"})


def _by_a_stranger(key_id: str) -> str:
    settings = settings_for(ServiceSettings)
    claims = {"iss": settings.staff_jwt_issuer, "aud": "fte", "sub": "eve", "exp": time.time() + 60}
    stranger = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": key_id})


STAFF = "https://staff.test"
SERVICES = "https://services.test"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "é.ü.ß",
        "." * 5000,
        "A" * 9000,
        _unsigned(),
        _with_public_key_as_secret(),
        _by_a_stranger("testing"),
        _by_a_stranger("unknown"),
        _changed(token_of("staff"), sub="root"),
        signed({"iss": STAFF, "sub": "ada", "exp": int(time.time()) - 61}),
        signed({"iss": STAFF, "sub": "ada", "nbf": int(time.time()) + 600}),
        signed({"iss": STAFF, "sub": "ada", "iat": int(time.time()) + 600}),
        signed({"iss": STAFF, "sub": "ada", "aud": "other"}),
        signed({"iss": "https://elsewhere.test", "sub": "ada"}),
        signed({"iss": STAFF}),
        signed({"iss": STAFF, "sub": ""}),
        signed({"iss": STAFF, "sub": 7}),
        signed({"iss": STAFF, "sub": "a\nb"}),
        signed({"iss": STAFF, "sub": "a" * 200}),
        signed({"iss": SERVICES, "sub": "agent"}),
        signed({"iss": SERVICES, "sub": "system:serviceaccount:elsewhere:agent"}),
        signed({"iss": SERVICES, "sub": "system:serviceaccount:testing:"}),
        signed({"iss": SERVICES, "sub": "system:serviceaccount:testing:staff"}),
        signed({"iss": SERVICES, "sub": "system:serviceaccount:testing:public"}),
    ],
)
def test_every_bad_token_gets_the_same_answer(verifier: Verifier, token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(token)
    assert "token" in caught.value.message or "Bearer" in caught.value.message
    assert not token or len(token) < 3 or token not in caught.value.message


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token", " Bearer x"])
def test_only_bearer_is_a_scheme(verifier: Verifier, header: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.bearer(header)


def test_a_known_token_is_not_checked_again_until_it_expires(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of("agent")
    verifier.verify(token)
    checks: list[str] = []

    def check(text: str) -> tuple[Caller, float]:
        checks.append(text)
        return PUBLIC, 0.0

    monkeypatch.setattr(verifier, "_verified", check)
    verifier.verify(token)
    assert checks == []
    later = time.time() + 3600 + 31
    monkeypatch.setattr(time, "time", lambda: later)
    verifier.verify(token)
    assert checks == [token]


def test_remembered_tokens_are_bounded(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_CACHED_TOKENS_MAX", 3)
    for number in range(5):
        verifier.verify(signed({"iss": STAFF, "sub": f"person {number}"}))
    assert len(verifier._known) == 3


def test_a_new_key_in_the_file_is_found_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    file = tmp_path / "keys.json"
    file.write_text(jwks(old, "old"))
    keys = Keys(str(file), variable="STAFF_JWKS")
    file.write_text(jwks(new, "new"))
    assert keys.find("new") is None, "a file is not read for every unknown key"
    monkeypatch.setattr(callers, "_KEYS_REREAD_SECONDS", -1.0)
    assert keys.find("new") is not None
    file.write_text("half a fi")
    assert keys.find("other") is None
    assert keys.find("new") is not None


@pytest.mark.parametrize("source", ["{}", "{not json", "no-such-file.json"])
def test_unreadable_keys_fail_at_start_by_name(source: str) -> None:
    with pytest.raises(SettingsError, match="STAFF_JWKS"):
        Verifier(settings_for(ServiceSettings, staff_jwks=source))


def test_issuers_must_differ() -> None:
    with pytest.raises(SettingsError, match="must differ"):
        Verifier(settings_for(ServiceSettings, staff_jwt_issuer=SERVICES))


def test_a_service_must_be_able_to_prove_itself() -> None:
    with pytest.raises(SettingsError, match="SERVICE_KEY_FILE or SERVICE_TOKEN_FILE"):
        TokenSource(settings_for(ServiceSettings), "agent")


def test_a_key_that_is_not_p256_fails_at_start(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    keys = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1()))
    for key in keys:
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(SettingsError, match="P-256"):
            TokenSource(settings_for(ServiceSettings, service_key_file=file), "agent")
    file.write_text("nonsense")
    with pytest.raises(SettingsError, match="PEM"):
        TokenSource(settings_for(ServiceSettings, service_key_file=file), "agent")


def test_a_minted_token_is_kept_until_a_minute_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = TokenSource(own_keys(tmp_path, "agent"), "agent")
    first = source.token()
    assert source.token() is first
    later = time.monotonic() + 241
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert source.token() is not first


def test_a_token_file_wins_and_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_FILE_LOOK_SECONDS", 0.0)
    file = tmp_path / "token"
    settings = own_keys(tmp_path, "agent").model_copy(update={"service_token_file": file})
    source = TokenSource(settings, "agent")
    with pytest.raises(Unavailable):
        source.token()
    file.write_text("first\n")
    assert source.token() == "first"
    # Kubernetes swaps the file; a new one has a new inode.
    replacement = tmp_path / "next"
    replacement.write_text("second\n")
    os.replace(replacement, file)
    assert source.token() == "second"
    file.unlink()
    assert source.token() == "second", "a token that was good is not dropped while its file is swapped"


def test_what_the_public_may_call_everyone_may_call() -> None:
    everyone = (PUBLIC, Caller("staff", "ada"), Caller("service", "agent"))
    assert all(permits(frozenset({"public"}), caller) for caller in everyone)


def test_a_table_names_services_one_by_one_and_people_as_staff() -> None:
    allowed = frozenset({"agent", "staff"})
    authorised(allowed, Caller("service", "agent"))
    authorised(allowed, Caller("staff", "anyone"))
    with pytest.raises(PermissionDenied):
        authorised(allowed, Caller("service", "channels"))
    with pytest.raises(Unauthenticated):
        authorised(allowed, PUBLIC)


def test_a_person_called_like_a_service_is_still_only_staff() -> None:
    with pytest.raises(PermissionDenied):
        authorised(frozenset({"agent"}), Caller("staff", "agent"))


def test_a_persons_subject_stays_out_of_labels() -> None:
    assert Caller("staff", "ada@example.com").label == "staff"
