"""The print-file store: streamed upload, analysis, content by hash."""
