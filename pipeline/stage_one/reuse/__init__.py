"""Rows from rows that are there: of earlier layers, or made with other pixels."""
