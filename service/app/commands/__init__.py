"""The commands of `throughline`, one room per subject. Each reads settings, calls one thing and prints."""
