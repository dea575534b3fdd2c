"""Settings of authentication and encryption between clients and the broker: TLS and SASL."""

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from order_platform.setting_types import FilePath

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSecurity(BaseModel):
    """Settings of a secured broker; contradictions are rejected, naming the variable and what to do.

    The order of the fields is the order in which they are checked: each against those above it.
    """

    kafka_security: Protocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_mechanism: Mechanism | None = Field(
        None, validate_default=True, description="with SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_username: str | None = Field(None, validate_default=True, description="with SASL")
    kafka_password: SecretStr | None = Field(None, validate_default=True, description="with SASL")
    kafka_ca_file: FilePath | None = Field(
        None, description="with TLS: who is trusted, PEM; the system's when left out"
    )
    kafka_certificate_file: FilePath | None = Field(None, description="with TLS: the client's certificate, PEM")
    kafka_key_password: SecretStr | None = Field(None, description="of the client's key, where it is encrypted")
    kafka_key_file: FilePath | None = Field(
        None, validate_default=True, description="the client's key, PEM; may be in the certificate's file"
    )

    @field_validator("kafka_security", "kafka_mechanism", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("kafka_mechanism", "kafka_username", "kafka_password")
    @classmethod
    def _exactly_with_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security")
        if protocol is None:  # refused already
            return value
        if value is None and protocol.startswith("SASL"):
            raise _bad(f"is not set, and ORDERWATCH_KAFKA_SECURITY={protocol} needs it")
        if value is not None and not protocol.startswith("SASL"):
            raise _bad(
                f"is set, but ORDERWATCH_KAFKA_SECURITY={protocol} does not use it: set that to SASL_SSL, or this not"
            )
        return value

    @field_validator("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")
    @classmethod
    def _a_file_for_tls(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        protocol = info.data.get("kafka_security")
        if path is None or protocol is None:
            return path
        if not protocol.endswith("SSL"):
            raise _bad(f"is set, but ORDERWATCH_KAFKA_SECURITY={protocol} is without TLS: set that to SSL or SASL_SSL")
        try:
            path.read_bytes()
        except OSError as error:
            raise _bad(f"{path} cannot be read: {error.strerror}") from None
        return path

    @field_validator("kafka_ca_file")
    @classmethod
    def _holds_certificates(cls, path: Path | None) -> Path | None:
        if path is not None:  # without a file, a context would read all certificates of the system, which is slow
            try:
                ssl.create_default_context(cafile=path)
            except ssl.SSLError:
                raise _bad(f"{path} holds no certificates in PEM form") from None
        return path

    @field_validator("kafka_key_file")
    @classmethod
    def _fits_the_certificate(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("kafka_certificate_file")
        if certificate is None:
            if path is not None and "kafka_certificate_file" in info.data:
                raise _bad("is set, and ORDERWATCH_KAFKA_CERTIFICATE_FILE is not; a key is of no use without it")
            return path
        try:
            _present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, path, info.data.get("kafka_key_password"))
        except ssl.SSLError as error:
            raise _bad(
                f"{path or certificate} is not the key to the certificate in {certificate}: {error.reason or error}; "
                "both are PEM, and an encrypted key requires ORDERWATCH_KAFKA_KEY_PASSWORD"
            ) from None
        return path

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client; each call creates its own TLS context."""
        options: dict[str, Any] = {"security_protocol": self.kafka_security}
        if self.kafka_security.endswith("SSL"):
            options["ssl_context"] = context = ssl.create_default_context(cafile=self.kafka_ca_file)
            if self.kafka_certificate_file is not None:
                _present(context, self.kafka_certificate_file, self.kafka_key_file, self.kafka_key_password)
        if self.kafka_security.startswith("SASL"):
            assert self.kafka_password is not None
            options |= {
                "sasl_mechanism": self.kafka_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        return options


def _present(context: ssl.SSLContext, certificate: Path, key: Path | None, password: SecretStr | None) -> None:
    # Without a password given, OpenSSL would ask for one on the terminal.
    context.load_cert_chain(certificate, key, password=password.get_secret_value() if password else "")


def _bad(message: str) -> PydanticCustomError:
    return PydanticCustomError("kafka_security", "{message}", {"message": message})
