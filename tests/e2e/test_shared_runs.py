"""A run folder without its logs may be shared: it holds no secret, no folder and no name of a user or machine."""

from __future__ import annotations

import getpass
import json
import platform

import pyarrow as pa
import pytest

# ------------------------------------------------------------------------------------------------------------ secrets

SECRET = "hf_0123456789abcdefSECRET"

LEAKY = """
segharness: 1
name: leaky
description: "trained with ${TOKEN} on /home/somebody/data"
models:
  - {id: good, model: "./solver.py:build", options: {mode: "${TOKEN}"}}
  - {id: other, model: "./solver.py:build", options_for: {shapes: {mode: "${PREFIX}${TOKEN}"}}}
  - {id: fails, model: "./tell.py:build", options: {token: "${TOKEN}", nested: {header: ["Bearer ${TOKEN}", /home/ada/x]}}}
  - {id: tells, model: "./tell.py:build", options: {token: "Bearer ${TOKEN}", nested: {header: [../../home/ada/y]}}}
  - {id: stored, model: coco-results, options: {folder: "${STORED}"}}
reference: good
datasets:
  - id: shapes
    dataset: coco/instances
    options: {annotations: "${DATA}/annotations.json", images: coco/images}
conditions: [clean]
"""

TELL = """
class Tell:
    categories = ["disc"]
    def __init__(self, token, nested):
        self.token, self.header = token, nested["header"][0]
    def predict(self, images):
        token = self.token.removeprefix("Bearer ")
        raise RuntimeError(f"401 for {token} ({self.header}), see {__file__} and file:///home/ada/z.json")
def build(token, nested):
    return Tell(token, nested)
"""


@pytest.mark.parametrize("given", ["environment", "--var"])
def test_what_may_be_shared_holds_no_secret_no_path_and_no_name(small, given):
    small.write("leaky.yaml", LEAKY)
    small.write("tell.py", TELL)
    (small.folder / "stored").mkdir()
    (small.folder / "stored/clean.segm.json").write_text("[]")
    values = {"TOKEN": SECRET, "DATA": str(small.folder / "coco"), "PREFIX": "p", "STORED": "stored"}
    words = [word for name, value in values.items() for word in ("--var", f"{name}={value}")]
    suite = str(small.folder / "leaky.yaml")
    done = small(
        "run", suite, "-qq", *(words if given == "--var" else ()), env=values if given == "environment" else {}
    )
    assert done.code == 1, done.err
    assert SECRET in done.err  # the user sees what the model said
    folder = small.folder / "runs/leaky"
    shared = [p for p in folder.rglob("*") if p.is_file() and "logs" not in p.parts]
    assert len(shared) > 8
    hidden = [SECRET, str(small.folder), "/home/", "/ada", platform.node(), f'"{getpass.getuser()}']
    for path in shared:
        texts = [path.read_bytes().decode("latin-1")]
        if path.suffix == ".arrow":  # columns are compressed
            texts.append(str(pa.ipc.open_file(path).read_all().to_pylist()))
        for text in texts:
            for secret in hidden:
                assert secret not in text, (path.name, secret, text[max(0, text.find(secret) - 80) :][:200])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["suite"]["path"] == "leaky.yaml"
    assert manifest["suite"]["models"][0]["model"] == "solver.py:build"
    assert manifest["suite"]["models"][0]["options"] == {"mode": "${TOKEN}"}
    assert manifest["suite"]["models"][1]["options_for"] == {"shapes": {"mode": "${PREFIX}${TOKEN}"}}
    assert manifest["suite"]["models"][2]["options"]["nested"] == {"header": ["Bearer ${TOKEN}", "x"]}
    assert manifest["suite"]["models"][3]["options"]["nested"] == {"header": ["y"]}
    assert manifest["suite"]["datasets"][0]["options"] == {
        "annotations": "${DATA}/annotations.json",
        "images": "images",
    }
    reason = next(r["reason"] for r in small.results("leaky").to_pylist() if r["model"] == "fails")
    assert "401 for ${TOKEN} (Bearer ${TOKEN}), see .../tell.py and .../z.json" in reason
    reason = next(r["reason"] for r in small.results("leaky").to_pylist() if r["model"] == "tells")
    assert "401 for ${TOKEN} (../../home/ada/y)" not in reason and "401 for ${TOKEN}" in reason


def test_a_secret_still_decides_predictions(small):
    """A variable of another value makes other predictions: they are not taken for the same."""
    small.write(
        "leaky.yaml", LEAKY.split("  - {id: fails")[0] + "reference: good\n" + LEAKY.split("reference: good\n")[1]
    )
    words = ("run", "leaky.yaml", "-qq", "--var", "DATA=coco", "--var", "PREFIX=p")
    assert small(*words, "--var", "TOKEN=a").code == 0
    done = small(*words, "--var", "TOKEN=a", "-v")
    assert done.code == 0
    done = small(*words, "--var", "TOKEN=b")
    assert done.code == 4 and "made from other inputs" in done.err


def test_a_default_that_is_also_given_is_the_same(small):
    text = (small.folder / "small.yaml").read_text().replace("{margin: 70}", '{margin: 70, mode: "${MODE:-fast}"}')
    small.write("small.yaml", text)
    assert small("run", "small.yaml", "-qq").code == 0
    done = small("run", "small.yaml", "-qq", "--var", "MODE=fast")
    assert done.code == 0, done.err
    assert small("run", "small.yaml", "-qq", "--var", "MODE=slow").code == 4


def test_a_name_may_come_from_a_variable(small):
    small.write("small.yaml", (small.folder / "small.yaml").read_text().replace("name: small", 'name: "${RUN}"'))
    assert small("run", "small.yaml", "-qq", "--var", "RUN=nightly").code == 0
    assert small("score", "runs/nightly", "-q").code == 0


def test_numbers_and_defaults_of_variables_stay_readable(small):
    text = (small.folder / "small.yaml").read_text().replace("{margin: 70}", '{margin: "${M}", mode: "${MODE:-}"}')
    small.write("small.yaml", text)
    assert small("run", "small.yaml", "-qq", "--var", "M=70").code == 0
    manifest = json.loads((small.folder / "runs/small/manifest.json").read_text())
    assert manifest["suite"]["models"][1]["options"] == {"margin": 70, "mode": None}
    assert manifest["inputs"]["models"]["other"]["shapes"]["options"] == {"margin": 70, "mode": None}


@pytest.mark.parametrize(
    "url",
    ["s3://AKIA:abc/SECRET@bucket/run", "s3://u:p@SECRET@bucket/run", "s3://bucket/run?session_token=SECRET&x=1",
     "https://host/run?X-Amz-Signature=SECRET"],
)  # fmt: skip
def test_no_form_of_credentials_is_shown(url):
    from segharness.escaping import visible
    from segharness.redaction import without_folders

    for text in (url, f"error: {url}: gone", f"`{url}`"):
        assert "SECRET" not in visible(text) and "SECRET" not in without_folders(text)


def test_credentials_of_an_address_are_not_shown(small):
    done = small("report", "s3://KEY:SECRET@bucket/run?scheme=http&endpoint_override=127.0.0.1:1", timeout=120)
    assert done.code == 4 and "SECRET" not in done.err + done.out and "KEY" not in done.err
    assert "s3://...@bucket/run" in done.err
    done = small("report", "sftp://KEY:SECRET@bucket/run")
    assert done.code == 4 and "SECRET" not in done.err
