"""Migrations of the jobs' database to the tables in `schema`."""
