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


def test_a_signal_that_passes_through_exec_is_an_interruption(small):
    """Python itself ends with signal 2 if a KeyboardInterrupt passes through ``exec`` of a text, as in dataclasses."""
    small.write(
        "segharness_plugins.py",
        "import time\nexec('import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)')\n",
    )
    done = small("run", "small.yaml")
    assert done.code == 2 and done.err.strip() == "interrupted", done


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_modules_are_imported_is_an_interruption(small, name):
    code = (
        "import signal, sys\n"
        "class Signal:\n"
        "    def find_spec(self, module, path, target=None):\n"
        f"        if module == 'segharness.plugin.host': signal.raise_signal(signal.{name})\n"
        "sys.meta_path.insert(0, Signal())\n"
        "from segharness.cli import main\n"
        "sys.argv = ['segharness', 'models']\n"
        "raise SystemExit(main())\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.strip() == "interrupted", done


def test_a_signal_in_a_callback_is_not_lost(small):
    """Python drops what is raised in callbacks of weak references, which imports use."""
    small.write(
        "segharness_plugins.py",
        "import os, signal, time, weakref\n"
        "class Thing: pass\n"
        "thing = Thing()\n"
        "def ended(reference):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(0.01)\n"
        "reference = weakref.ref(thing, ended)\n"
        "del thing\n"
        "time.sleep(9)\n",
    )
    done = small("run", "small.yaml")
    assert done.code == 2 and done.err.strip() == "interrupted", done


def test_signals_after_the_end_do_not_change_the_exit_code(small):
    """Python gives its signal handlers up before it ends: a signal then would kill it."""
    small.write(
        "segharness_plugins.py",
        "import atexit, os, signal\n"
        "atexit.register(lambda: (os.kill(os.getpid(), signal.SIGTERM), os.kill(os.getpid(), signal.SIGINT)))\n",
    )
    done = small("run", "small.yaml", "-k", "clean", "-qq", "--no-bootstrap", "--executor", "inline")
    assert done.code == 0 and "interrupted" not in done.err, done
