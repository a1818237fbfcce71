"""Mistakes on the command line."""

# ruff: noqa: E501 - a mistake reads better on one line

from __future__ import annotations

from tests.integration.mistakes.book import line

MISTAKES = [
    line("a command is misspelt", "stauts", "Did you mean|did you mean", "stauts"),
    line("a command of another program", "list", "did you mean 'status'", "list"),
    line("a command that nothing is like", "frobnicate", "run", "frobnicate"),
    line("a command of the rejects is misspelt", "exprot", "did you mean 'export'", "rejects exprot nightly-2024"),
    line("an option is misspelt", "--job", "did you mean|Did you mean", "run nightly.yaml --jobs customers"),
    line("an option of another command", "--output", "--help", "run nightly.yaml --output x.json"),
    line("a file that is not there", "nightli.yaml", "did you mean 'nightly.yaml'", "run nightli.yaml"),
    line("a file whose ending is left out", "nightly", "did you mean 'nightly.yaml'", "run nightly"),
    line("a file of SQL in place of a job file", "customers.sql", "sql_file: customers.sql", "run customers.sql"),
    line("a program in place of a job file", "nightly.py", "python nightly.py", "run nightly.py"),
    line("no file", "FILE", "--help", "run"),
    line("a job that is not there", "custmers", "did you mean 'customers'", "run nightly.yaml --job custmers"),
    line("a setting is misspelt", "chunksize", "did you mean chunk-size", "run nightly.yaml --set chunksize=10"),
    line("a setting without a value", "--set", "key=value", "run nightly.yaml --set chunk-size"),
    line("workers as a word", "--workers", "whole number", "run nightly.yaml --workers many"),
    line("a password on the command line", "--ledger", "env:NAME", "status --ledger postgresql://me:hunter2-not-to-be-seen@db/shop"),
    line("no ledger", "--ledger", "env:", "status"),
    line("a variable's name alone", "--ledger", "env:NAME", "status --ledger TARGET"),
    line("a variable that is not set", "TARGT", "did you mean env:TARGET", "status --ledger env:TARGT"),
    line("a run that nobody knows", "nightly-2024", "status", "status nightly-2024 --ledger env:TARGET"),
    line("a run to resume that nobody knows", "nightly-2024", "status", "resume nightly-2024 --ledger env:TARGET"),
    line("an age without a unit", "--older-than", "30d", "clean --ledger env:TARGET --older-than 30"),
    line("an address without a protocol", "--scheduler", "tcp://", "run nightly.yaml --scheduler host:8786"),
    line("the page of a scheduler in place of its address", "--scheduler", "tcp://host:8786", "run nightly.yaml --scheduler http://host:8787"),
    line("a run to report on that nobody knows", "nightly-2024", "status", "report nightly-2024 --ledger env:TARGET"),
    line("a run to cancel that nobody knows", "nightly-2024", "status", "cancel nightly-2024 --ledger env:TARGET"),
    line("a run to count that nobody knows", "nightly-2024", "status", "reconcile nightly-2024 --ledger env:TARGET"),
    line("a run to rewind that nobody knows", "nightly-2024", "status", "rewind nightly-2024 --ledger env:TARGET"),
    line("a run whose rejects are not there", "nightly-2024", "status", "rejects show nightly-2024 --ledger env:TARGET"),
    line("no workers", "--workers", "at least 1", "run nightly.yaml --workers 0"),
    line("lines as a word", "--limit", "whole number|number", "status --limit all --ledger env:TARGET"),
    line("rejects to a file of another kind", "--format", "csv", "rejects export nightly-2024 --ledger env:TARGET -o out.xlsx"),
    line("a report into a folder that is not there", "--output", "mkdir", "report done --ledger env:TARGET -o nowhere/report.html"),
    line("a setting of another kind", "chunk-size", "integer|auto", "run nightly.yaml --set chunk-size=many"),
    line("a setting below what is possible", "max-workers", "at least 1", "run nightly.yaml --set max-workers=0"),
    line("a folder in place of a job file", ":1:1", "nightly.yaml", "run ."),
    line("a run without its name", "RUN_ID", "--help", "resume"),
    line("a name before the command's file", "nightly.yaml", "mapper-dask run", "nightly.yaml"),
    line("a plan of nothing", "nightly.yaml", "did you mean", "plan nightli.yaml"),
    line("the table as a ledger", "ledger", "did you mean env:TARGET", "status --ledger env:TARGET.customers"),
    line("a run's name without its option", "r1", "--run-id", "run nightly.yaml r1"),
]  # fmt: skip
