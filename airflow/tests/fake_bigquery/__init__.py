"""A strict stand-in for BigQuery's HTTP API, and the adapter's tests against it.

It knows just the calls that the adapter makes, checks every request against Google's own description of the API, and
refuses whatever it does not know. Where BigQuery's behaviour is not documented it does what is worse for the caller.
"""
