"""The demonstration: a real FHIR server, a real queue, four people, and time that passes quickly."""
