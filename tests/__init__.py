"""Makes `tests.builders`, `tests.fakes` and the like importable from any test; subfolders need no file of this kind."""
