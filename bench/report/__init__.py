"""How records are shown: page, Markdown, tables, plots, LaTeX. `plots/` has one file a figure."""
