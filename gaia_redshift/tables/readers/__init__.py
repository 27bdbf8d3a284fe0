"""One reader per format, each from a file to a `Table`; none of them knows about spectra."""
