"""Weights with a name: they are downloaded whole or not at all, compared, and part of the identity of predictions."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest
from segharness import UsageError, download

CONTENT = b"weights" * 1000


class _Server(http.server.BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        type(self).requests += 1
        if self.path != "/w.pth" and self.path != "/short.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/w.pth" else CONTENT[:100])

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def url():
    _Server.requests = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_once_and_compared(url, tmp_path):
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    path = tmp_path / "cache/w.pth"
    for _ in range(2):
        assert download(f"{url}/w.pth", path, digits).read_bytes() == CONTENT
    assert _Server.requests == 1


@pytest.mark.parametrize(
    ("name", "digits", "message"),
    [
        ("w.pth", "00000000", "has another sha256 than 00000000...; put"),
        ("short.pth", "", "ended early; put"),
        ("none.pth", "", "cannot be fetched: HTTP Error 404"),
    ],
)
def test_a_failed_download_leaves_no_file_and_says_which_file_to_put_where(url, tmp_path, name, digits, message):
    path = tmp_path / "cache" / name
    with pytest.raises(UsageError) as raised:
        download(f"{url}/{name}", path, digits)
    assert message in str(raised.value) and f"put {url}/{name} at {path}, or give a file" in str(raised.value)
    assert not list(path.parent.iterdir())


def test_a_cache_that_cannot_be_written_is_reported(url, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UsageError, match="cannot be fetched: .*w.pth, or give a file"):
        download(f"{url}/w.pth", tmp_path / "cache/w.pth")


PLUGIN = """
import pathlib

from segharness import ModelSet, ModelSpec, WeightsSpec, hookimpl


def fetch(weights, size):
    pathlib.Path(f"asked-{size}").touch()
    return pathlib.Path("there.bin").absolute()


@hookimpl
def segharness_models():
    for size in (1, 2):
        yield ModelSpec(f"acme/m{size}", factory="acme_model:build", fixed={"size": size},
                        weights=WeightsSpec("required", names={"published": "", "random": ""}, fetch=fetch))
    yield ModelSet("acme/all", models={"one": "acme/m1", "two": "acme/m2"}, description="both")
    yield ModelSet("acme/first", models={"one": "acme/m1"}, description="the first")
    yield ModelSet("acme/swapped", models={"one": "acme/m2"}, description="another of the same id")
"""
MODEL = """
class M:
    categories = ["person", "car"]

    def __init__(self, weights, size):
        self.text = weights if weights == "random" else open(weights).read()

    def predict(self, images, prompts=None):
        from segharness import Instances
        import numpy as np

        return [Instances(np.array([[1.0, 1, 9, 9]]), np.array([len(self.text) / 100]), np.array([0])) for _ in images]


def build(weights, size):
    return M(weights, size)
"""
SUITE = """
segharness: 1
name: s
models: [{model: acme/all, weights: published, tags: [ours]}]
reference: one
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
scoring: {tasks: [bbox]}
"""


@pytest.fixture
def acme(harness, tmp_path):
    import numpy as np

    from tests.streets import street, write_coco

    write_coco(tmp_path / "coco", {"a": street(np.random.default_rng(1), 40, 60)})
    harness.write("segharness_plugins.py", PLUGIN)
    harness.write("acme_model.py", MODEL)
    harness.write("there.bin", "first")
    harness.write("s.yaml", SUITE)
    return harness


def acme_run(acme, *arguments):
    return acme("run", "s.yaml", "--no-bootstrap", *arguments, env={"PYTHONPATH": str(acme.folder)})


def test_a_set_of_models_runs_and_only_what_is_selected_is_fetched(acme):
    done = acme_run(acme, "-k", "two")
    assert done.code == 0, done.err
    assert (acme.folder / "asked-2").exists() and not (acme.folder / "asked-1").exists()
    done = acme_run(acme, "-m", "ours")
    assert done.code == 0, done.err
    assert "1 predictions made, 1 reused" in done.out + done.err
    assert {row["model"] for row in acme.results("s").to_pylist()} == {"one", "two"}


def test_other_weights_under_the_same_name_make_files_stale(acme):
    assert acme_run(acme).code == 0
    acme.write("there.bin", "second")
    done = acme_run(acme)
    assert done.code == 4 and "model.weights.sha256" in done.err
    assert acme_run(acme, "--fresh").code == 0


def test_a_set_on_the_command_line_and_mistakes(acme):
    done = acme("collect", "s.yaml", "--model", "acme/all,weights=random", "--reference", "two")
    assert done.code == 0 and done.out.count("::clean") == 2
    done = acme("collect", "s.yaml", "--model", "acme/al,weights=random")
    assert done.code == 4 and "no model `acme/al` (did you mean `acme/all`?)" in done.err
    path = {"PYTHONPATH": str(acme.folder)}
    shown = acme("models", "-p", "segharness_plugins", "acme/all", env=path)
    assert "one: acme/m1" in shown.out
    family = acme("models", "-p", "segharness_plugins", "acme", env=path)
    assert "acme/m1" in family.out and "toycells" not in family.out


def test_two_sets_may_share_a_model(acme):
    def collect(models):
        acme.write("s.yaml", SUITE.replace("[{model: acme/all, weights: published, tags: [ours]}]", models))
        return acme("collect", "s.yaml")

    both = collect("[{model: acme/all, weights: random}, {model: acme/first, weights: random}]")
    assert both.code == 0 and both.out.count("::clean") == 2, both.err
    swapped = collect("[{model: acme/all, weights: random}, {model: acme/swapped, weights: random}]")
    assert swapped.code == 4 and "s.yaml:3:" in swapped.err
    assert (
        "two models have the id `one`; give one of them another `id:`, or name the models of `acme/swapped`"
        in swapped.err
    )
    twice = collect("[{model: acme/m1, id: one, weights: random}, {model: acme/m1, id: one, weights: random}]")
    assert twice.code == 4 and "two models have the id `one`; give one of them another `id:`" in twice.err


FOLDERS = """
import pathlib

from segharness import ModelSpec, Option, WeightsSpec, hookimpl


def included(path):
    return [path, path.with_name("base.txt")]


def fetch(weights, revision="main"):
    return pathlib.Path(weights)


@hookimpl
def segharness_models():
    yield ModelSpec("acme/folder", factory="acme_model:build", fixed={"size": 1},
                    weights=WeightsSpec("required", pattern="x/y", fetch=fetch, in_folder=("*.bin", "config")), options={
                        "config": Option("a config", path=True, files=included),
                        "revision": Option("of the hub", decides=False),
                    })
"""
FOLDER_SUITE = """
segharness: 1
name: s
models: [{id: m, model: acme/folder, weights: ./there, options: {config: ./config.txt, revision: main}}]
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
scoring: {tasks: [bbox]}
"""


@pytest.fixture
def folders(acme):
    acme.write("segharness_plugins.py", FOLDERS)
    acme.write("acme_model.py", MODEL.replace("def build(weights, size):", "def build(weights, size, config, revision):\n"
               "    weights += '/w.bin'"))  # fmt: skip
    for name in ("there/w.bin", "there/config", "there/README.md", "config.txt", "base.txt", "unrelated.txt"):
        acme.write(name, "first")
    acme.write("s.yaml", FOLDER_SUITE)
    return acme


def test_only_files_that_count_make_predictions_stale(folders):
    done = acme_run(folders)
    assert done.code == 0, done.err
    folders.write("there/README.md", "second")
    folders.write("there/logs/events", "second")
    folders.write("unrelated.txt", "second")
    folders.write("s.yaml", FOLDER_SUITE.replace("revision: main", "revision: other"))
    done = acme_run(folders)
    assert done.code == 0 and "0 predictions made, 1 reused" in done.out + done.err, done.err
    for name, stale_input in (("there/w.bin", "model.weights"), ("base.txt", "model.options.config")):
        folders.write(name, "another text")
        done = acme_run(folders)
        assert done.code == 4 and stale_input in done.err, done.err
        assert acme_run(folders, "--fresh").code == 0


def test_weights_that_change_under_a_run_are_refused(acme):
    """The weights change between the plan and a worker: no file may claim to be made from the first ones."""
    changing = (
        'import sys\nif "segharness.worker" in sys.orig_argv:\n    pathlib.Path("there.bin").write_text("changed")\n'
    )
    acme.write("segharness_plugins.py", PLUGIN + changing)
    done = acme_run(acme, "-k", "one")
    assert done.code == 1, done.err
    assert "the weights of model `one` are not those that the run began with" in done.err
    assert not list(acme.folder.glob("runs/s/predictions/**/*.arrow"))


def test_weights_are_fetched_once_whatever_the_number_of_workers(acme):
    counting = PLUGIN.replace(".touch()", '.open("a").write("asked ")')
    acme.write("segharness_plugins.py", counting)
    assert acme_run(acme, "--workers", "2").code == 0
    assert [(acme.folder / f"asked-{size}").read_text() for size in (1, 2)] == ["asked ", "asked "]
