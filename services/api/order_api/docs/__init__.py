"""The index, the problem types, and the OpenAPI document with its pages."""
