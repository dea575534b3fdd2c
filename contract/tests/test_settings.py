"""Settings out of the environment: secrets in files, secured brokers and databases, and what is refused."""

import ssl
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from order_contract.settings import DatabaseSettings, KafkaSettings, ProcessSettings


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ca.pem, a client's certificate client.pem, and its key client.key."""
    authority = trustme.CA()
    client = authority.issue_cert("orderwatch")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    (tmp_path / "garbage.pem").write_text("no certificate")
    return tmp_path


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ORDERWATCH_{name}", value)


def _refusal(kind: type[ProcessSettings]) -> str:
    """Variables and messages, as the commands print them."""
    with pytest.raises(ValidationError) as caught:
        kind()
    return "; ".join(f"ORDERWATCH_{str(error['loc'][0]).upper()}: {error['msg']}" for error in caught.value.errors())


def test_without_settings_nothing_is_secured() -> None:
    assert KafkaSettings().client_options() == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "PLAINTEXT",
    }


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"KAFKA": "", "KAFKA_SECURITY": "", "KAFKA_USERNAME": "", "KAFKA_PASSWORD_FILE": ""})
    assert KafkaSettings() == KafkaSettings.model_construct()


def test_sasl_with_a_password_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret \n")
    _set(
        monkeypatch,
        {
            "KAFKA_SECURITY": "sasl_plaintext",
            "KAFKA_MECHANISM": "scram-sha-256",
            "KAFKA_USERNAME": "orders",
            "KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
        },
    )
    settings = KafkaSettings()
    assert settings.client_options() == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "orders",
        "sasl_plain_password": "s3cret ",
    }
    assert "s3cret" not in repr(settings)


def test_tls_verifies_and_presents_a_certificate(monkeypatch: pytest.MonkeyPatch, certificates: Path) -> None:
    _set(
        monkeypatch,
        {
            "KAFKA_SECURITY": "SSL",
            "KAFKA_CA_FILE": str(certificates / "ca.pem"),
            "KAFKA_CERTIFICATE_FILE": str(certificates / "client.pem"),
            "KAFKA_KEY_FILE": str(certificates / "client.key"),
        },
    )
    context = KafkaSettings().client_options()["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


SASL = {"KAFKA_SECURITY": "SASL_SSL", "KAFKA_MECHANISM": "PLAIN", "KAFKA_USERNAME": "u", "KAFKA_PASSWORD": "p"}


@pytest.mark.parametrize(
    ("variables", "refusal"),
    [
        ({"KAFKA_SECURITY": "TLS"}, "ORDERWATCH_KAFKA_SECURITY: Input should be 'PLAINTEXT', 'SSL'"),
        ({**SASL, "KAFKA_USERNAME": ""}, "ORDERWATCH_KAFKA_USERNAME: is not set, and ORDERWATCH_KAFKA_SECURITY=SASL"),
        ({**SASL, "KAFKA_PASSWORD": ""}, "ORDERWATCH_KAFKA_PASSWORD: is not set"),
        ({**SASL, "KAFKA_MECHANISM": "GSSAPI"}, "ORDERWATCH_KAFKA_MECHANISM: Input should be 'PLAIN'"),
        ({"KAFKA_PASSWORD": "p"}, "ORDERWATCH_KAFKA_PASSWORD: is set, but ORDERWATCH_KAFKA_SECURITY=PLAINTEXT"),
        ({"KAFKA_CA_FILE": "ca.pem"}, "ORDERWATCH_KAFKA_CA_FILE: is set, but ORDERWATCH_KAFKA_SECURITY=PLAINTEXT"),
        ({**SASL, "KAFKA_CA_FILE": "none.pem"}, "ORDERWATCH_KAFKA_CA_FILE: none.pem cannot be read: No such file"),
        ({**SASL, "KAFKA_CA_FILE": "garbage.pem"}, "ORDERWATCH_KAFKA_CA_FILE: garbage.pem holds no certificates"),
        ({**SASL, "KAFKA_KEY_FILE": "client.key"}, "ORDERWATCH_KAFKA_KEY_FILE: is set, and ORDERWATCH_KAFKA_CERT"),
        ({**SASL, "KAFKA_CERTIFICATE_FILE": "client.pem"}, "ORDERWATCH_KAFKA_KEY_FILE: client.pem is no key"),
        ({**SASL, "KAFKA_PASSWORD_FILE": "password"}, "ORDERWATCH_KAFKA_PASSWORD_FILE: is set beside ORDERWATCH_KAFKA"),
        (
            {**SASL, "KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": "none"},
            "ORDERWATCH_KAFKA_PASSWORD_FILE: none cannot be read: No such file",
        ),
    ],
)
def test_contradictions_about_the_broker(
    variables: dict[str, str], refusal: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(certificates)
    _set(monkeypatch, variables)
    assert _refusal(KafkaSettings).startswith(refusal)


def test_the_password_is_put_into_the_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    _set(
        monkeypatch,
        {
            "DATABASE_URL": "postgresql://orders@db.example:5432/orders?sslmode=require",
            "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        },
    )
    settings = DatabaseSettings()
    assert settings.database_url.get_secret_value() == (
        "postgresql://orders:p%40ss%2Fword@db.example:5432/orders?sslmode=require"
    )
    assert "p@ss" not in repr(settings)


def test_the_whole_url_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://orders:pw@db.example/orders\n")
    _set(monkeypatch, {"DATABASE_URL_FILE": str(tmp_path / "url")})
    assert DatabaseSettings().database_url.get_secret_value() == "postgresql://orders:pw@db.example/orders"


@pytest.mark.parametrize(
    ("variables", "refusal"),
    [
        ({"DATABASE_URL": "db.example/orders"}, "ORDERWATCH_DATABASE_URL: must be like postgresql://user:password@"),
        (
            {"DATABASE_URL": "postgresql://u:secret@h/d", "DATABASE_PASSWORD": "q"},
            "ORDERWATCH_DATABASE_URL: holds a password, and ORDERWATCH_DATABASE_PASSWORD is set, too",
        ),
        ({"DATABASE_URL": "postgresql://h/d", "DATABASE_PASSWORD": "q"}, "ORDERWATCH_DATABASE_URL: names no user"),
        (
            {"DATABASE_URL": "postgresql://u:secret@h/d?sslmode=verify-full&sslrootcert=/none.pem"},
            "ORDERWATCH_DATABASE_URL: sslrootcert=/none.pem cannot be read: No such file",
        ),
        (
            {"DATABASE_URL": "postgresql://u:secret@h/d?sslmode=verify-full"},
            "ORDERWATCH_DATABASE_URL: sslmode=verify-full needs sslrootcert=FILE",
        ),
    ],
)
def test_contradictions_about_the_database(
    variables: dict[str, str], refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, variables)
    assert _refusal(DatabaseSettings).startswith(refusal)
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings()
    assert "secret" not in str(caught.value)
