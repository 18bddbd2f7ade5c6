"""People as judges: a page that shows images to raters, and what their answers say of the variants."""
