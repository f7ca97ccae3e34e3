"""The package's own family in suites: its version in the results, and a clear message where it is not installed."""

from __future__ import annotations

import json


def test_results_name_the_family_and_its_version(small):
    suite = (small.folder / "small.yaml").read_text().replace("[clean, gaussian_noise-5, fog-3, mixed]",
                                                              "[clean, imagecorruptions/gaussian_noise-1]")  # fmt: skip
    small.write("family.yaml", suite.replace("name: small", "name: family"))
    done = small("run", "family.yaml")
    assert done.code == 0, done.err
    assert "corruptions of the family imagecorruptions, version 1.1.2+shim.1" in done.out
    table = small.results("family")
    assert "imagecorruptions/gaussian_noise" in table["corruption"].to_pylist()
    assert "imagecorruptions-gaussian_noise-1" in table["condition"].to_pylist()
    manifest = json.loads((small.folder / "runs/family/manifest.json").read_text())
    versions = {c["corruption"]: c["version"] for c in manifest["suite"]["conditions"]}
    assert versions["imagecorruptions/gaussian_noise"] == "1.1.2+shim.1"
    assert manifest["packages"]["imagecorruptions"] == "1.1.2"


def test_a_corruption_that_cannot_run_here_is_refused_before_anything_runs(small):
    small.write(
        "segharness_plugins.py",
        """
        from segharness import CorruptionSpec, MixtureSpec, hookimpl

        @hookimpl
        def segharness_corruptions():
            return [
                CorruptionSpec("acme/rain", apply="rain:rain", unavailable="librain is not installed: pip install librain"),
                MixtureSpec("acme/storm", stages=(("acme/rain",),)),
            ]
        """,
    )
    for conditions in ("acme/rain", "acme/rain-2", "acme/storm"):
        suite = (small.folder / "small.yaml").read_text().replace("[clean, gaussian_noise-5, fog-3, mixed]", conditions)
        small.write("rain.yaml", suite)
        done = small("run", "rain.yaml")
        assert done.code == 4, done.err
        assert "cannot be used: librain is not installed: pip install librain" in done.err
        assert "rain.yaml:" in done.err and "Traceback" not in done.err
