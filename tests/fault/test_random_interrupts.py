"""A few rounds of ``make interrupts``, and a look at what a notebook shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.database import Databases
from tests.fault.gate import closed_gate
from tests.fault.interrupts import CELL, IMPORTS, heeding_interrupts, rounds, staged

SEED = 3


def test_ctrl_c_at_random_moments(postgres_server) -> None:
    for stopped in rounds(postgres_server, 4, SEED):
        assert stopped.exact, f"{stopped}\n{stopped.text}"


def test_the_interrupt_button_of_a_notebook_stops_its_run(
    tmp_path: Path, databases: Databases
) -> None:
    manager_of = pytest.importorskip("jupyter_client.manager")
    shop = staged(tmp_path, databases)
    manager, client = manager_of.start_new_kernel(
        cwd=str(shop.folder), env=shop.environment, preexec_fn=heeding_interrupts
    )
    try:
        with closed_gate(shop.target, "goods") as gate:
            client.execute_interactive(IMPORTS)
            request = client.execute(CELL)
            gate.crowd(2, lambda: False)
            manager.interrupt_kernel()
            shown = []
            while True:
                message = client.get_iopub_msg(timeout=60)
                content = message["content"]
                if message["parent_header"].get("msg_id") == request:
                    shown += [*content.get("traceback", []), content.get("text", "")]
                    if content.get("execution_state") == "idle":
                        break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(filter(None, shown)))
    assert len(text.splitlines()) < 20, text
    assert "resume it: ParallelProcessor().resume('r', target_conn='env:TARGET')" in text
    assert "KeyboardInterrupt" in text
    assert databases.target.fetch("SELECT state FROM mapper_dask_run") == [("CANCELLED",)]
