"""One signal ends a run in any phase: a part of what `benchmarks/interrupts.py` does fifty times."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.slow
def test_one_signal_ends_a_run_in_time_and_it_continues_to_the_same_numbers(benchmark_script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["interrupts.py", "--rounds", "4", "--seed", "3"])
    assert benchmark_script("interrupts").main() == 0, capsys.readouterr().out
    assert "4 of 4 ended in time" in capsys.readouterr().out


def test_sigterm_before_the_first_cell_is_an_interruption(small):
    """Slurm, Docker and systemd send it at any time."""
    import signal
    import time

    process = small.start("run", "small.yaml")
    time.sleep(0.8)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "interrupted" in err and "Traceback" not in err
