"""Mistakes on the command line."""

# ruff: noqa: E501 - a mistake reads better on one line

from __future__ import annotations

from tests.integration.mistakes.book import line

MISTAKES = [
    line("a command is misspelt", "stauts", "Did you mean|did you mean", "stauts"),
    line("a command of another program", "list", "status|--help", "list"),
    line("an option is misspelt", "--job", "did you mean|Did you mean", "run nightly.yaml --jobs customers"),
    line("an option of another command", "--output", "--help", "run nightly.yaml --output x.json"),
    line("a file that is not there", "nightli.yaml", "did you mean|not there|No such file", "run nightli.yaml"),
    line("a file of SQL in place of a job file", "customers.sql", "job file|version", "run customers.sql"),
    line("no file", "FILE", "--help", "run"),
    line("a job that is not there", "custmers", "did you mean 'customers'", "run nightly.yaml --job custmers"),
    line("a setting is misspelt", "chunksize", "did you mean chunk-size", "run nightly.yaml --set chunksize=10"),
    line("a setting without a value", "--set", "key=value", "run nightly.yaml --set chunk-size"),
    line("workers as a word", "--workers", "integer", "run nightly.yaml --workers many"),
    line("a password on the command line", "--ledger", "env:NAME", "status --ledger postgresql://me:hunter2-not-to-be-seen@db/shop"),
    line("no ledger", "--ledger", "env:", "status"),
    line("a variable's name alone", "--ledger", "env:NAME", "status --ledger TARGET"),
    line("a variable that is not set", "TARGT", "did you mean env:TARGET", "status --ledger env:TARGT"),
    line("a run that nobody knows", "nightly-2024", "status", "status nightly-2024 --ledger env:TARGET"),
    line("a run to resume that nobody knows", "nightly-2024", "status", "resume nightly-2024 --ledger env:TARGET"),
    line("an age without a unit", "--older-than", "30d", "clean --ledger env:TARGET --older-than 30"),
    line("an address without a protocol", "--scheduler", "tcp://", "run nightly.yaml --scheduler host:8786"),
]  # fmt: skip
