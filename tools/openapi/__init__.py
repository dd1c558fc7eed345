"""The OpenAPI document, made at build; nothing here is imported by a function."""
