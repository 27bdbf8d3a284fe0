"""The ADQL that ships against a real TAP service: `make archive-test`."""
