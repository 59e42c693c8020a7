"""Speaking HTTP with a FHIR server: addresses, retries, pacing, tokens, and finding out what it really does."""
