"""Classification of Kafka errors as permanent or transient, and their description."""

from aiokafka import errors
from aiokafka.errors import KafkaError

# Errors that last until an operator changes something: permissions, limits, versions, names.
_PERMANENT: tuple[type[KafkaError], ...] = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.AuthenticationFailedError,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
    errors.SecurityDisabled,
    errors.InvalidTopicError,
    errors.InvalidGroupIdError,
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.RecordTooLargeError,
    errors.UnsupportedCodecError,
    errors.InvalidConfigurationError,
    errors.InvalidRequiredAcksError,
    errors.UnsupportedVersionError,
    errors.UnsupportedForMessageFormatError,
    errors.IncompatibleBrokerVersion,
    errors.PolicyViolationError,
    errors.InvalidTimestampError,
)

_ADVICE: dict[type[KafkaError], str] = {
    errors.TopicAuthorizationFailedError: "grant this user the right to it",
    errors.GroupAuthorizationFailedError: "grant this user the right to the consumer group",
    errors.ClusterAuthorizationFailedError: "grant this user IdempotentWrite on the cluster",
    errors.MessageSizeTooLargeError: "raise max.message.bytes of the topic",
    errors.RecordListTooLargeError: "raise max.message.bytes of the topic",
}


def is_permanent(error: BaseException) -> bool:
    """Whether the same call fails again until an operator changes a setting or a permission."""
    return isinstance(error, _PERMANENT)


def describe(error: KafkaError) -> str:
    """The error's name with what it says and what to change, in one line."""
    text = " ".join(str(error).split()) or "no details given"
    if text.startswith(type(error).__name__):
        text = text.removeprefix(type(error).__name__).lstrip(": ")
    advice = next((advice for kind, advice in _ADVICE.items() if isinstance(error, kind)), None)
    name = type(error).__name__.removesuffix("Error")
    return f"{name} ({text})" + (f"; {advice}" if advice else "")
