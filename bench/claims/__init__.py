"""The ledger of claims: what is claimed (`ledger`), what records say (`evidence`, `verdicts`), `sanity`."""
