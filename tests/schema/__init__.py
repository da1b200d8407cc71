"""Schemathesis over the OpenAPI document, against a server in a process of its own."""
