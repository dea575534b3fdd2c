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

from datetime import UTC

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

cdef int FIRST_YEAR = business_time.FIRST_YEAR
cdef int LAST_YEAR = business_time.LAST_YEAR
cdef object ZONE = UTC
cdef object NEW_TUPLE = tuple.__new__


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
            plain = self.parse(value)
            amount = plain.amount
            if type(amount) is not int:
                amount = parse_rupiah(amount)
        except ValueError:
            return None
        if amount > MAX_AMOUNT or plain.country not in COUNTRIES:
            return None
        spelling = plain.payment_method
        payment_method = self.spellings.get(spelling)
        if payment_method is None:
            payment_method = self.canonical(spelling)
            if payment_method is None:
                return None
        created = in_utc(plain.created_date, latest)
        if created is None:
            return None
        account_created = plain.account_created_date
        if account_created is not None:
            account_created = in_utc(account_created, latest)
            if account_created is None:
                return None
        ip_address = plain.ip_address or None
        if ip_address is not None:
            ip_address = shortest_ip(ip_address)
            if ip_address is None:
                return None
        shipping_country = plain.shipping_country or None
        if shipping_country is not None and shipping_country not in COUNTRIES:
            return None
        return NEW_TUPLE(
            OrderEvent,
            (
                plain.order_id,
                plain.user_id,
                plain.product_id,
                plain.quantity,
                amount,
                DEFAULT_CURRENCY,
                payment_method,
                plain.country,
                created,
                plain.device_id or None,
                ip_address,
                plain.voucher_code or None,
                plain.email or None,
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
    if not FIRST_YEAR <= datetime_year(moment) <= LAST_YEAR:
        return None
    cdef object zone = datetime_tzinfo(moment)
    if zone is None:
        moment = to_utc(moment)
    elif zone is not ZONE:
        moment = moment - zone.utcoffset(moment)
        moment = datetime_new(
            datetime_year(moment),
            datetime_month(moment),
            datetime_day(moment),
            datetime_hour(moment),
            datetime_minute(moment),
            datetime_second(moment),
            datetime_microsecond(moment),
            ZONE,
        )
    return None if moment > latest else moment


cdef object shortest_ip(object text):
    """What `canonical_ip` gives; an IPv4 address has one spelling."""
    cdef Py_ssize_t length
    cdef char address[4]
    encoded = PyUnicode_AsUTF8AndSize(text, &length)
    if memchr(encoded, c":", length) is not NULL or memchr(encoded, 0, length) is not NULL:
        return canonical_ip(text)
    return text if inet_pton(AF_INET, encoded, address) == 1 else None
