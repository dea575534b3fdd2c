"""What happens in this process when a key or a session has ended, wherever that was done."""

from collections.abc import Callable

import structlog

from order_api.key_ring import KeyRing

log = structlog.get_logger(__name__)


class Credentials:
    """Cached keys and sessions are looked up again, and streams check whether they are still permitted."""

    def __init__(self, keys: KeyRing, sessions: KeyRing, recheck_streams: Callable[[], None]) -> None:
        self._keys = keys
        self._sessions = sessions
        self._recheck_streams = recheck_streams

    def ended(self, notification: str) -> None:
        """Handle a notification of channel `credentials`."""
        kind, _, name = notification.partition(" ")
        if kind == "key":
            self._keys.forget_key(name)
            self._sessions.forget_key(name)
        elif kind == "session":
            self._sessions.forget(bytes.fromhex(name))
        else:
            log.warning("notification_unknown", kind=kind[:20])
            self.may_have_ended()
            return
        self._recheck_streams()

    def may_have_ended(self) -> None:
        """Look everything up again: notifications may have been missed."""
        self._keys.forget_all()
        self._sessions.forget_all()
        self._recheck_streams()
