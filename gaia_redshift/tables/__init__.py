"""One reader and writer per table format, all to and from `SpectrumBatch`. Tables are lenient: a bad row stays."""
