"""Languages of the pages: which one a request asks for, translated texts, numbers, money and times as written there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from starlette.requests import HTTPConnection

from order_contract.business_time import BUSINESS_ZONE

COOKIE: Final = "orderwatch_language"
FOLDER: Final = Path(__file__).resolve().parents[1] / "locale"
LANGUAGES: Final = {"en": "English", "id": "Bahasa Indonesia"}
DEFAULT: Final = "en"
_TIME_PATTERNS: Final = {"en": "d MMM y, HH:mm:ss", "id": "d MMM y, HH.mm.ss"}


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts, and how values are written in it."""

    code: str
    locale: Locale
    texts: Mapping[str, str]

    def translate(self, text: str, **values: object) -> str:
        """The text in this language, with `{name}` replaced by values; what has no translation stays English."""
        translated = self.texts.get(text) or text
        return translated.format(**values) if values else translated

    def number(self, value: float) -> str:
        """A number with the separators of the language."""
        return format_decimal(value, locale=self.locale)

    def percent(self, share: float) -> str:
        """A share of 1 as a percentage with one decimal."""
        return format_percent(share, format="#,##0.0%", locale=self.locale)

    def money(self, amount: int, currency: str) -> str:
        """An amount: rupiah as `Rp 320.000.000`; an everyday smallest unit is shown as it is stored."""
        if currency == "IDR":
            return f"Rp\N{NO-BREAK SPACE}{format_decimal(amount, locale=self.locale)}"
        return f"{format_decimal(amount, locale=self.locale)}\N{NO-BREAK SPACE}{currency}"

    def time(self, moment: datetime | str) -> str:
        """A moment in business time, with its zone: `22 Nov 2026, 10:15:00 WIB`."""
        local = _parse(moment).astimezone(BUSINESS_ZONE)
        return f"{format_datetime(local, _TIME_PATTERNS[self.code], locale=self.locale)} {BUSINESS_ZONE}"

    def minutes(self, count: int) -> str:
        """A length of time in its largest unit that fits it: `1 hour`, `90 minutes`."""
        units = (("day", 1_440), ("hour", 60), ("minute", 1))
        unit, size = next((unit, size) for unit, size in units if count % size == 0)
        return format_unit(count // size, f"duration-{unit}", locale=self.locale)

    def ago(self, moment: datetime | str) -> str:
        """How long ago a moment was, or how far ahead it is."""
        delta = _parse(moment) - datetime.now(UTC)
        return format_timedelta(delta, add_direction=True, threshold=1.5, locale=self.locale)


def _parse(moment: datetime | str) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


@cache
def load_language(code: str) -> Language:
    """A language with its catalogs, `locale/CODE/SCREEN.po`; English texts are those in the templates."""
    texts: dict[str, str] = {}
    for path in sorted((FOLDER / code).glob("*.po")):
        with path.open("rb") as file:
            texts |= {
                message.id: message.string
                for message in read_po(file, abort_invalid=True)
                if isinstance(message.id, str) and isinstance(message.string, str) and message.string
            }
    return Language(code, Locale.parse("id_ID" if code == "id" else "en_GB"), texts)


def language_of(request: HTTPConnection) -> Language:
    """What the visitor chose, else the first of Accept-Language that there is, else English."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return load_language(chosen)
    for part in request.headers.get("accept-language", "")[:200].split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return load_language(code)
    return load_language(DEFAULT)
