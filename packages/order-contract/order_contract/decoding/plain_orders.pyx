# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The checks of `EventDecoder.decode_fast` in compiled code: they take a third of their time in Python.

Both give the same event, or None where they are unsure; the tests compare them on the same messages.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.datetime cimport (
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_new,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    import_datetime,
)
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.string cimport memchr

from datetime import UTC, timezone

from msgspec.structs import astuple

from order_contract import business_time
from order_contract.business_time import to_utc
from order_contract.decoding.validating_decoder import canonical_ip
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY, MAX_AMOUNT, parse_rupiah
from order_contract.reference_data import COUNTRIES

import_datetime()

cdef extern from "arpa/inet.h":
    int AF_INET
    int inet_pton(int family, const char *text, void *address)

cdef enum:
    LONG_FRACTION = 7  # digits of a second's fraction that msgspec rounds, and the validating decoder cuts off
    MINUTE = 60  # seconds
    HOUR = 3_600
    DAY = 86_400

cdef int FIRST_YEAR = business_time.FIRST_YEAR
cdef int LAST_YEAR = business_time.LAST_YEAR
cdef object ZONE = UTC
cdef object NEW_TUPLE = tuple.__new__
cdef object FIELDS_OF = astuple

# Of the last time: most have the same.
cdef object offset_zone = None
cdef int offset_seconds = 0


cdef class PlainOrders:
    """Decodes plain messages: `parse` gives a message's fields, `methods` the canonical spelling of payment methods."""

    cdef object parse, canonical
    cdef dict spellings

    def __init__(self, parse, methods):
        self.parse, self.canonical, self.spellings = parse, methods.canonical, methods.spellings

    def decode(self, bytes value not None, latest):
        """The event in a message of the plain shape with no time after `latest`, None for any other."""
        if not has_plain_text(value):
            return None
        try:
            # All fields at once, in the order of `decoder._PlainOrder`.
            (
                order_id,
                user_id,
                product_id,
                quantity,
                amount,
                spelling,
                country,
                created,
                _,
                device_id,
                ip_address,
                voucher_code,
                email,
                shipping_country,
                account_created,
            ) = <tuple>FIELDS_OF(self.parse(value))
            if type(amount) is not int:
                amount = parse_rupiah(amount)
        except ValueError:
            return None
        if amount > MAX_AMOUNT or country not in COUNTRIES:
            return None
        payment_method = self.spellings.get(spelling)
        if payment_method is None:
            payment_method = self.canonical(spelling)
            if payment_method is None:
                return None
        created = in_utc(created, latest)
        if created is None:
            return None
        if account_created is not None:
            account_created = in_utc(account_created, latest)
            if account_created is None:
                return None
        if not ip_address:
            ip_address = None
        else:
            ip_address = shortest_ip(ip_address)
            if ip_address is None:
                return None
        if not shipping_country:
            shipping_country = None
        elif shipping_country not in COUNTRIES:
            return None
        return NEW_TUPLE(
            OrderEvent,
            (
                order_id,
                user_id,
                product_id,
                quantity,
                amount,
                DEFAULT_CURRENCY,
                payment_method,
                country,
                created,
                device_id or None,
                ip_address,
                voucher_code or None,
                email or None,
                shipping_country,
                account_created,
                None,
            ),
        )


cdef bint has_plain_text(bytes value) noexcept:
    """Whether a message has no escape, and no fraction of a second that is longer than microseconds."""
    place = <const char *>PyBytes_AS_STRING(value)
    cdef const char *stop = place + PyBytes_GET_SIZE(value)
    if memchr(place, c"\\", stop - place) is not NULL:
        return False
    cdef int digits
    while True:
        place = <const char *>memchr(place, c".", stop - place)
        if place is NULL:
            return True
        place += 1
        digits = 0
        while place < stop and c"0" <= place[0] <= c"9":
            place += 1
            digits += 1
        if digits >= LONG_FRACTION:
            return False


cdef object in_utc(object moment, object latest):
    """A time in UTC; None when it is out of range, or after `latest`."""
    cdef int seconds
    if not FIRST_YEAR <= datetime_year(moment) <= LAST_YEAR:
        return None
    cdef object zone = datetime_tzinfo(moment)
    if zone is None:
        moment = to_utc(moment)
    elif zone is not ZONE:
        if zone is not offset_zone:
            remember_offset(zone, moment)
        seconds = datetime_hour(moment) * HOUR + datetime_minute(moment) * MINUTE + datetime_second(moment)
        seconds -= offset_seconds
        if not 0 <= seconds < DAY:  # of another date in UTC
            moment = moment - zone.utcoffset(moment)
            seconds = datetime_hour(moment) * HOUR + datetime_minute(moment) * MINUTE + datetime_second(moment)
        moment = datetime_new(
            datetime_year(moment),
            datetime_month(moment),
            datetime_day(moment),
            seconds // HOUR,
            seconds // MINUTE % MINUTE,
            seconds % MINUTE,
            datetime_microsecond(moment),
            ZONE,
        )
    return None if moment > latest else moment


cdef int remember_offset(object zone, object moment) except -1:
    """Keep the offset of a zone, which has one."""
    global offset_zone, offset_seconds
    if type(zone) is not timezone:
        raise TypeError(f"a time with a fixed offset was expected, not {zone!r}")
    offset_seconds = <int>zone.utcoffset(moment).total_seconds()
    offset_zone = zone
    return 0


cdef object shortest_ip(object text):
    """What `canonical_ip` gives; an IPv4 address has one spelling."""
    cdef Py_ssize_t length
    cdef char address[4]
    encoded = PyUnicode_AsUTF8AndSize(text, &length)
    if memchr(encoded, c":", length) is not NULL or memchr(encoded, 0, length) is not NULL:
        return canonical_ip(text)
    return text if inet_pton(AF_INET, encoded, address) == 1 else None
