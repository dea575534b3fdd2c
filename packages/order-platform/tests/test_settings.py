"""Settings out of the environment: secrets in files, secured brokers and databases, and what is refused."""

import ssl
from pathlib import Path

import pytest
import trustme
from pydantic import Field, SecretStr, ValidationError

from order_platform.command_line.errors import SettingsError
from order_platform.command_line.settings_errors import as_settings_error, read_settings
from order_platform.setting_types import FilePath, NameList, Port, check_warehouse_file
from order_platform.settings import DatabaseSettings, KafkaSettings, ProcessSettings


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
    """Variables, values and messages, as the commands print them."""
    with pytest.raises(SettingsError) as caught:
        read_settings(kind)
    return str(caught.value)


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
        ({"KAFKA_SECURITY": "TLS"}, "ORDERWATCH_KAFKA_SECURITY='TLS' is not known; write 'PLAINTEXT', 'SSL'"),
        ({**SASL, "KAFKA_USERNAME": ""}, "ORDERWATCH_KAFKA_USERNAME: is not set, and ORDERWATCH_KAFKA_SECURITY=SASL"),
        ({**SASL, "KAFKA_PASSWORD": ""}, "ORDERWATCH_KAFKA_PASSWORD: is not set"),
        ({**SASL, "KAFKA_MECHANISM": "GSSAPI"}, "ORDERWATCH_KAFKA_MECHANISM='GSSAPI' is not known; write 'PLAIN'"),
        ({"KAFKA_PASSWORD": "p"}, "ORDERWATCH_KAFKA_PASSWORD: is set, but ORDERWATCH_KAFKA_SECURITY=PLAINTEXT"),
        ({"KAFKA_CA_FILE": "ca.pem"}, "ORDERWATCH_KAFKA_CA_FILE='ca.pem' is set, but ORDERWATCH_KAFKA_SECURITY=PLAIN"),
        ({**SASL, "KAFKA_CA_FILE": "none.pem"}, "ORDERWATCH_KAFKA_CA_FILE: none.pem cannot be read: No such file"),
        ({**SASL, "KAFKA_CA_FILE": "garbage.pem"}, "ORDERWATCH_KAFKA_CA_FILE: garbage.pem holds no certificates"),
        (
            {**SASL, "KAFKA_KEY_FILE": "client.key"},
            "ORDERWATCH_KAFKA_KEY_FILE='client.key' is set, and ORDERWATCH_KAFKA_CERT",
        ),
        ({**SASL, "KAFKA_CERTIFICATE_FILE": "client.pem"}, "ORDERWATCH_KAFKA_KEY_FILE: client.pem is not the key"),
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
    assert "secret" not in _refusal(DatabaseSettings)
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sec#ret@h/d",
        "postgresql://u:sec/ret@h/d",
        "postgresql://u:sec?ret@h/d",
        "postgresql://u:sec%ret@h/d",
        "postgresql://u:secret@h:99999/d",
        "postgresql://u:secret@h:port/d",
        "postgresql://u:secret@h:0/d",
        "postgresql://u:secret@[::1/d",
        "postgresql://u:sec\nret@h/d",
        "postgresql://u:secret@h/d?sslmode=secret",
        "mysql://u:secret@h/d",
    ],
)
def test_a_database_url_that_cannot_work_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, {"DATABASE_URL": url})
    refusal = _refusal(DatabaseSettings)
    assert refusal.startswith("ORDERWATCH_DATABASE_URL")
    assert "secret" not in refusal.replace("SECRET", "")
    assert "sec" not in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%23w@h/d",
        "postgresql://u@[::1]:5432/d",
        "postgresql:///d?host=/tmp",
        "postgres://h1:5432,h2:5433/d",
        "postgresql://u:two words@h/d",
    ],
)
def test_a_database_url_that_works_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"DATABASE_URL": url})
    assert DatabaseSettings().database_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("variables", "refusal"),
    [
        ({"KAFKA": "localhost"}, "ORDERWATCH_KAFKA='localhost' is not a list of addresses; write host:port"),
        ({"KAFKA": "a:9092,,b:9092"}, "is not a list of addresses; write host:port"),
        ({"KAFKA": "a:9092;b:9092"}, "is not a host; write host:port"),
        ({"KAFKA": "PLAINTEXT://a:9092"}, "is a URL; write host:port"),
        ({"KAFKA": "a:99999"}, "is not a port; write host:port"),
        ({"KAFKA": "a:0"}, "is not a port; write host:port"),
        ({"KAFKA": "::1:9092"}, "an IPv6 address as [::1]:9092"),
        ({"KAFKA": "a b:9092"}, "is not a host"),
        ({"LOG_LEVEL": "loud"}, "ORDERWATCH_LOG_LEVEL='loud' is not a log level; write one of DEBUG, INFO"),
        ({"LOG_LEVEL": "NOTSET"}, "is not a log level"),
        ({"LOG_FORMAT": "xml"}, "ORDERWATCH_LOG_FORMAT='xml' is not known; write 'auto', 'json' or 'text'"),
        ({"ORDERS_TOPIC": "orders/eu"}, "ORDERWATCH_ORDERS_TOPIC='orders/eu' is not a topic's name"),
        ({"ORDERS_TOPIC": ".."}, "is not a topic's name"),
        ({"ORDERS_TOPIC": "o" * 250}, "is not a topic's name"),
        (
            {"ORDERS_TOPIC": "one", "DECISIONS_TOPIC": "one"},
            "ORDERWATCH_ORDERS_TOPIC and ORDERWATCH_DECISIONS_TOPIC are the same topic, one; give each its own",
        ),
    ],
)
def test_what_is_not_valid_is_named_with_what_to_write(
    variables: dict[str, str], refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, variables)
    said = _refusal(KafkaSettings)
    assert refusal in said
    assert "\n" not in said
    assert "Input should" not in said


def test_all_faults_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"KAFKA": "localhost", "LOG_LEVEL": "loud"})
    assert [line.split("=")[0] for line in _refusal(KafkaSettings).splitlines()] == [
        "ORDERWATCH_LOG_LEVEL",
        "ORDERWATCH_KAFKA",
    ]


@pytest.mark.parametrize(
    "address", ["a.example:9092", "a:1,b:65535", "[::1]:9092", " a:1 , b:2 ", "127.0.0.1:19092", "a_b:1"]
)
def test_addresses_of_brokers(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"KAFKA": address})
    assert KafkaSettings().kafka == address.replace(" ", "")


class _Everything(ProcessSettings):
    """A setting of each shared type."""

    names: NameList = ()
    port: Port = 1
    path: FilePath = Path()
    secret: SecretStr | None = None
    share: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)
    many: int = Field(1, gt=0)
    yes: bool = False


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("GoPay Later", ("GoPay Later",)),
        ("GoPay Later, Doku", ("GoPay Later", "Doku")),
        ('["GoPay Later", "Doku"]', ("GoPay Later", "Doku")),
        ("[]", ()),
        (" Doku ,", ("Doku",)),
    ],
)
def test_a_list_is_json_or_separated_by_commas(
    value: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, {"NAMES": value})
    assert _Everything().names == names


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("NAMES", '["GoPay"', 'is not a JSON list; write ["GoPay Later", "Doku"]'),
        ("NAMES", '{"GoPay": 1}', "is not a list of names"),
        ("NAMES", "[1]", "is not a list of names"),
        ("NAMES", '[""]', "is not a list of names"),
        ("NAMES", '"GoPay"', "is not a list of names"),
        *(("PORT", each, "is not a port; write a number from 1 to 65535") for each in
          ("65536", "-1", "http", "1.5", "1_0", "\u0661", "+5", "9" * 5000)),
        ("PATH", "~unknown-user-name/x", "names the home folder of a user who has none"),
        ("SHARE", "half", "is not a number; write one such as 2.5"),
        ("SHARE", "nan", "is not a number"),
        ("SHARE", "2", "must be at most 1"),
        ("MANY", "0", "must be greater than 0"),
        ("MANY", "1.5", "is not a whole number; write digits only"),
        ("YES", "maybe", "is neither yes nor no; write true or false"),
    ],
)  # fmt: skip
def test_each_type_says_what_to_write(name: str, value: str, refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {name: value})
    said = _refusal(_Everything)
    assert said.startswith(f"ORDERWATCH_{name}=")
    assert refusal in said
    assert len(said) < 300


def test_a_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _set(monkeypatch, {"PATH": "~/data"})
    assert _Everything().path == tmp_path / "data"


def test_of_a_class_that_is_not_known_no_value_is_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        _Everything(secret=["hunter2"], many="hunter2")
    error = as_settings_error(caught.value)
    assert error is not None
    assert "ORDERWATCH_MANY: is not a whole number" in str(error)
    assert "hunter2" not in str(error)
    assert as_settings_error(ValueError("hunter2")) is None


def test_a_warehouse_is_a_duckdb_file_or_one_to_be_made(tmp_path: Path) -> None:
    assert check_warehouse_file(tmp_path / "new.duckdb") == tmp_path / "new.duckdb"
    (tmp_path / "empty").touch()
    check_warehouse_file(tmp_path / "empty")
    (tmp_path / "text").write_text("order_id,amount\n1,2\n")
    for path, refusal in (
        (tmp_path, "is a folder"),
        (tmp_path / "text", "is not a DuckDB file"),
        (tmp_path / "text" / "below", "is not a folder"),
        (Path("/dev/null"), "is not a file"),
        (Path(":memory:"), "in memory"),
    ):
        with pytest.raises(ValueError, match=refusal):
            check_warehouse_file(path)
