"""Images as arrays: cards, folder layouts, readers, cache. No metric and no network."""
