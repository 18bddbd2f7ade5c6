"""The ledger of claims: what is claimed (`ledger`), what records say (`findings`, `verdicts`, `sanity`).

`outputs` writes it as text, Markdown and JSON.
"""
