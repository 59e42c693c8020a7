"""Tools of the repository. Nothing in service/ may depend on them."""
