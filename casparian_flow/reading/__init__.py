"""Readers for drafted and hand-written plugins: bytes to records, records to typed columns.

Each module is one step: `sources` unpacks, a reader (`delimited`, `loglines`, `json_text`, ...)
takes one source apart into blocks of text, `columns` gives the text its types and sets aside what
does not fit. They need pyarrow, which is in every plugin's environment; a profile on the host uses
the same ones, so what a preview shows is what a plugin reads.
"""
