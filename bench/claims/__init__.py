"""The ledger of claims: what is claimed (`ledger`), what records say (`findings`, `verdicts`, `sanity`), `outputs`."""
