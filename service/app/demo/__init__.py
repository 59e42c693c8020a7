"""The demonstration: a real FHIR server, a real queue, three people, and time that passes quickly."""
