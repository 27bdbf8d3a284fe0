"""The commands of the workshop. Importing one loads no network library: the work does."""
