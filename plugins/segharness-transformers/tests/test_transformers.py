"""Every family from a folder to instances, with small random networks; and what is said where that cannot be."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers as hf
from huggingface_hub import constants
from PIL import Image
from pycocotools import mask as rle
from segharness import UsageError
from segharness.testing import check_model
from segharness_torch.threads import torch_threads
from segharness_transformers import hub, promptable, segmenter
from segharness_transformers.files import problem

from tests.streets import street, write_coco

QUERIES = ("mask2former", "maskformer", "oneformer", "eomt", "detr", "detr-boxes")
MASKS = QUERIES[:-1]


def make(saved, kind, **options):
    return segmenter.make(kind.split("-")[0], str(saved(kind)), **options)


def equal(one, other):
    assert np.array_equal(one.scores, other.scores) and one.masks == other.masks
    assert (one.boxes is None) == (other.boxes is None) and (
        one.boxes is None or np.array_equal(one.boxes, other.boxes)
    )
    assert (one.labels is None) == (other.labels is None)
    assert one.labels is None or np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("kind", QUERIES)
def test_batches_are_singles_and_masks_have_the_images_size(saved, images, kind):
    model = make(saved, kind)
    assert list(model.categories) == ["person", "car", "road"]
    check_model(model, images)
    together = model.predict(images)
    for image, found in zip(images, together, strict=True):
        equal(found, model.predict([image])[0])
        assert len(found.scores) >= 5 and ((found.scores > 0) & (found.scores < 1)).all()
        if kind == "detr-boxes":
            assert found.masks is None
            continue
        assert all(tuple(one["size"]) == image.shape[:2] for one in found.masks)
        if kind != "detr":
            boxes = rle.toBbox(found.masks)
            boxes[:, 2:] += boxes[:, :2]
            assert np.array_equal(found.boxes, boxes.astype(np.float32))


@pytest.mark.parametrize("kind", MASKS)
def test_panoptic_segments_do_not_overlap(saved, images, kind):
    model = make(saved, kind, output="panoptic", object_threshold=0.1, overlap=0.05, things=["person"])
    count = 0
    for found in model.predict(images):
        masks = rle.decode(found.masks) if found.masks else np.zeros((1, 1, 1))
        assert masks.sum(axis=2).max() <= 1
        stuff = found.labels[found.labels > 0].tolist()
        assert len(stuff) == len(set(stuff))
        count += len(found.scores)
    assert count >= len(images)
    strict = make(saved, kind, output="panoptic", object_threshold=1.0)
    assert all(len(found.scores) == 0 and found.masks == [] for found in strict.predict(images))


@pytest.mark.parametrize("kind", QUERIES)
def test_things_and_most(saved, images, kind):
    for things in (["car"], ["person", "car"], 2):
        labels = make(saved, kind, things=things, most=4).predict(images[:1])[0].labels
        assert 1 <= len(labels) <= 4 and set(labels.tolist()) <= ({1} if things == ["car"] else {0, 1})


def test_boxes_of_detr_are_the_frameworks(saved, images):
    for kind, name in (("detr-boxes", "DetrForObjectDetection"), ("detr", "DetrForSegmentation")):
        network = getattr(hf, name).from_pretrained(saved(kind)).eval()
        processor = hf.AutoImageProcessor.from_pretrained(saved(kind))
        for image, found in zip(images, make(saved, kind).predict(images), strict=True):
            with torch.inference_mode(), torch_threads(1):
                answer = network(**processor(images=[image], return_tensors="pt"))
            [known] = processor.post_process_object_detection(answer, 0.0, [image.shape[:2]])
            order = known["scores"].argsort(descending=True, stable=True)
            assert np.allclose(found.scores, known["scores"][order], atol=1e-6)
            assert np.allclose(found.boxes, known["boxes"][order], atol=1e-3)
            assert found.labels.tolist() == known["labels"][order].tolist()


def test_the_padding_of_eomt_is_cut_off_as_the_framework_does(saved, images):
    network = hf.EomtForUniversalSegmentation.from_pretrained(saved("eomt")).eval()
    processor = hf.AutoImageProcessor.from_pretrained(saved("eomt"))
    for image, found in zip(images, make(saved, "eomt", mask_score=False).predict(images), strict=True):
        given = processor(images=[image], return_tensors="pt")
        with torch.inference_mode(), torch_threads(1):
            answer = network(pixel_values=given["pixel_values"])
        planes = torch.nn.functional.interpolate(answer.masks_queries_logits, size=(64, 64), mode="bilinear")
        [logits] = processor.unpad_image(planes, [image.shape[:2]], processor.size)
        probabilities = answer.class_queries_logits[0].softmax(-1)[:, :-1]
        order = probabilities.flatten().argsort(descending=True, stable=True).tolist()
        expected = [logits[i // 3] > 0 for i in order if bool((logits[i // 3] > 0).any())]
        assert len(found.masks) == len(expected)
        for one, mask in zip(found.masks, expected, strict=True):
            assert np.array_equal(rle.decode(one), mask.numpy().astype(np.uint8))


def test_oneformer_is_asked_for_its_task(saved, images):
    processor = hf.OneFormerProcessor(
        hf.OneFormerImageProcessor(), hf.AutoTokenizer.from_pretrained(saved("oneformer"))
    )
    found = {}
    for output, task in (("instances", "instance"), ("panoptic", "panoptic")):
        expected = processor(images=[images[0]], task_inputs=[task], return_tensors="pt")["task_inputs"]
        found[task] = make(saved, "oneformer", output=output)._extra["task_inputs"]
        assert torch.equal(found[task], expected)
    assert not torch.equal(found["instance"], found["panoptic"])


def prompts_for(image, kind):
    height, width = image.shape[:2]
    boxes = np.array([[1, 2, 20, 30], [5, 5, width, height], [0, 0, 9, 9]], np.float32)
    return boxes if kind == "boxes" else np.array([[3, 4], [width - 1, height - 1], [10, 20]], np.float32)


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("prompt", ["boxes", "points"])
@pytest.mark.parametrize("family", ["sam", "sam2"])
def test_sam_answers_every_prompt_as_the_framework_does(saved, images, family, prompt, multimask):
    folder = saved(family)
    model = promptable.make(family, str(folder), prompt=prompt, multimask=multimask, together=2)
    assert model.prompt == prompt
    prompts = [prompts_for(image, prompt) for image in images]
    together = model.predict(images, prompts=prompts)
    name, kind = ("SamModel", hf.SamProcessor) if family == "sam" else ("Sam2Model", hf.Sam2Processor)
    network = getattr(hf, name).from_pretrained(folder).eval()
    processor = kind(hf.AutoImageProcessor.from_pretrained(folder))
    for image, given, found in zip(images, prompts, together, strict=True):
        equal(found, model.predict([image], prompts=[given])[0])
        assert len(found.masks) == 3 and all(tuple(one["size"]) == image.shape[:2] for one in found.masks)
        asked = [[[point] for point in given.tolist()]] if prompt == "points" else [given.tolist()]
        inputs = processor(images=[image], **{f"input_{prompt}": asked}, return_tensors="pt")
        sizes = [inputs.pop("original_sizes")]
        if family == "sam":
            sizes.append(inputs.pop("reshaped_input_sizes"))
        inputs = {key: value.float() if value.is_floating_point() else value for key, value in inputs.items()}
        with torch.inference_mode(), torch_threads(1):
            answer = network(**inputs, multimask_output=multimask)
        more = {"pad_size": {"height": 64, "width": 64}} if family == "sam" else {}
        [masks] = processor.image_processor.post_process_masks(answer.pred_masks, *sizes, binarize=False, **more)
        best = answer.iou_scores[0].argmax(dim=1)
        assert np.allclose(found.scores, answer.iou_scores[0].amax(dim=1), atol=1e-5)
        for row, one in enumerate(found.masks):
            logits = masks[row, best[row]].numpy()
            clear = abs(logits) > 1e-4
            assert clear.mean() > 0.9 and np.array_equal(rle.decode(one)[clear], logits[clear] > 0)


def test_sam_is_not_asked_anything(saved, images):
    model = promptable.make("sam", str(saved("sam")))
    [found] = model.predict(images[:1], prompts=[np.zeros((0, 4), np.float32)])
    assert found.masks == [] and len(found.scores) == 0
    with pytest.raises(UsageError, match=r"needs prompts \(boxes\), and none were given"):
        model.predict(images[:1])


def test_random_weights_come_from_the_seed_alone(saved, images, tmp_path):
    state = torch.get_rng_state()
    config = saved("mask2former") / "config.json"
    one, again, other = (segmenter.make("mask2former", "random", config=str(config), seed=seed) for seed in (1, 1, 2))
    equal(*(model.predict(images[:1])[0] for model in (one, again)))
    assert not np.array_equal(one.predict(images[:1])[0].scores, other.predict(images[:1])[0].scores)
    assert torch.equal(torch.get_rng_state(), state)
    shutil.copy(config, tmp_path / "config.json")  # without preprocessing: the family's own
    assert len(segmenter.make("mask2former", "random", config=str(tmp_path)).predict(images[:1])[0].scores) > 0
    assert "needs the option `config`" in problem("random", "mask2former")


def test_precision_and_layout_are_options(saved, images):
    [plain] = make(saved, "eomt").predict(images[:1])
    [last] = make(saved, "eomt", channels_last=True).predict(images[:1])
    assert np.allclose(plain.scores, last.scores, atol=1e-4)
    for kind in ("eomt", "mask2former"):
        [half] = make(saved, kind, precision="bfloat16").predict(images[:1])
        assert half.scores.dtype == np.float32 and len(half.scores) > 5
    sam = promptable.make("sam2", str(saved("sam2")), precision="bfloat16")
    assert len(sam.predict(images[:1], prompts=[prompts_for(images[0], "boxes")])[0].masks) == 3


def test_a_sam2_of_videos_is_one_of_images_too(saved, images, tmp_path):
    folder = shutil.copytree(saved("sam2"), tmp_path / "video")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "sam2_video", "num_maskmem": 7}))
    given = prompts_for(images[0], "boxes")
    found = [
        promptable.make("sam2", str(one)).predict(images[:1], prompts=[given])[0] for one in (folder, saved("sam2"))
    ]
    equal(*found)


SUITE = """
segharness: 1
name: s
models:
  - {id: folder, model: transformers/mask2former, weights: ./network, options: {things: [person, car]}}
  - {id: sam, model: transformers/sam, weights: random, options: {config: ./sam, prompt: points, seed: 3}}
datasets: [{dataset: coco/2017, options: {root: coco}}]
conditions: [clean]
scoring: {metrics: [coco, given-points]}
"""


@pytest.fixture
def suite(harness, saved, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    write_coco(tmp_path / "coco", {name: street(rng, 40 + 8 * i, 60) for i, name in enumerate("abc")})
    for name, kind in (("network", "mask2former"), ("sam", "sam")):
        (tmp_path / name).symlink_to(saved(kind))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    harness.write("s.yaml", SUITE)
    return harness


def test_a_suite_runs_from_end_to_end(suite):
    done = suite("run", "s.yaml", "--no-bootstrap", "--workers", "1")
    assert done.code == 0, done.err
    assert "note: model `sam` has RANDOM weights" in done.err and "note: model `folder`" not in done.err
    rows = [r for r in suite.results("s").to_pylist() if r["category"] is None and r["split"] == "all"]
    value = {(r["model"], r["evaluation"], r["task"], r["metric"]): r["value"] for r in rows}
    assert 0 <= value["folder", "coco", "segm", "AP"] <= 1 and 0 <= value["folder", "coco", "bbox", "AP"] <= 1
    assert 0 < value["sam", "given-points", "segm", "mask_mIoU"] < 1


PANOPTIC = """
segharness: 1
name: p
models:
  - id: same
    model: transformers/oneformer
    weights: ./network
    options: {output: panoptic, things: [person], object_threshold: 0.1, overlap: 0.05}
  - id: strict
    model: transformers/oneformer
    weights: ./network
    options: {output: panoptic, things: [person], object_threshold: 0.5, overlap: 0.05}
datasets: [{dataset: coco/panoptic, options: {annotations: truth.json, segments: segments, images: images}}]
conditions: [clean]
scoring: {tasks: [panoptic], metrics: [panoptic]}
"""


def test_panoptic_output_is_scored_with_pq(harness, saved, images, tmp_path):
    """Of a ground truth that was made from what the network finds it gets everything right."""
    options = {"output": "panoptic", "things": ["person"], "object_threshold": 0.1, "overlap": 0.05}
    content = {"images": [], "annotations": [], "categories": []}
    for number, name in enumerate(("person", "car", "road")):
        content["categories"].append({"id": number + 1, "name": name, "isthing": int(number == 0)})
    for folder in ("images", "segments"):
        (tmp_path / folder).mkdir()
    for number, (image, found) in enumerate(
        zip(images, make(saved, "oneformer", **options).predict(images), strict=True), 1
    ):
        name, (height, width) = f"{number}.png", image.shape[:2]
        colours, segments = np.zeros_like(image), []
        for i, (mask, label) in enumerate(zip(found.masks, found.labels.tolist(), strict=True), 1):
            colours[rle.decode(mask) > 0, 0] = i
            box, area = rle.toBbox(mask).tolist(), int(rle.area(mask))
            segments.append({"id": i, "category_id": label + 1, "iscrowd": 0, "area": area, "bbox": box})
        assert segments
        Image.fromarray(image).save(tmp_path / "images" / name)
        Image.fromarray(colours).save(tmp_path / "segments" / name)
        content["images"].append({"id": number, "file_name": name, "height": height, "width": width})
        content["annotations"].append({"image_id": number, "file_name": name, "segments_info": segments})
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (tmp_path / "network").symlink_to(saved("oneformer"))
    harness.write("p.yaml", PANOPTIC)
    done = harness("run", "p.yaml", "--no-bootstrap", "--workers", "1")
    assert done.code == 0, done.err
    rows = [r for r in harness.results("p").to_pylist() if r["category"] is None]
    value = {(r["model"], r["metric"]): r["value"] for r in rows}
    assert value["same", "PQ"] == value["same", "SQ"] == value["same", "RQ"] == 1.0
    assert value["strict", "PQ"] < 1.0


def test_weights_that_cannot_be_had_are_found_before_the_first_cell(suite, tmp_path):
    given = "weights: nobody/no-such-network, options: {local_files_only: true, revision: v2, "
    suite.write("s.yaml", SUITE.replace("weights: ./network, options: {", given))
    done = suite("run", "s.yaml")
    assert done.code == 4, done.err
    assert "the weights `nobody/no-such-network` cannot be fetched: nothing may be fetched" in done.err
    assert "put config.json, preprocessor_config.json and *.safetensors of" in done.err
    assert "https://huggingface.co/nobody/no-such-network/tree/v2" in done.err
    assert not list(tmp_path.glob("**/*.arrow"))


def test_what_is_in_the_hubs_cache_is_taken_from_there(saved, images, tmp_path, monkeypatch):
    cache = tmp_path / "hub/models--nobody--small"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs/main").write_text("a" * 40)
    shutil.copytree(saved("eomt"), cache / "snapshots" / ("a" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = hub.fetch("nobody/small", local_files_only=True)
    assert folder == cache / "snapshots" / ("a" * 40)
    model = segmenter.make("eomt", str(folder))
    equal(model.predict(images[:1])[0], make(saved, "eomt").predict(images[:1])[0])
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="has no \\*.safetensors; put config.json"):
        hub.fetch("nobody/small", local_files_only=True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(UsageError, match="cannot be fetched: no route to host; put config.json"):
        hub.fetch("nobody/small")


def test_the_commit_is_recorded_and_a_name_that_moves_is_said(saved, images, suite, tmp_path):
    cache, commit = tmp_path / "hub/models--nobody--small", "c0ffee" + "a" * 34
    (cache / "refs").mkdir(parents=True)
    (cache / "refs/main").write_text(commit)
    shutil.copytree(saved("mask2former"), cache / "snapshots" / commit)
    text = SUITE.replace("weights: ./network, options: {", "weights: nobody/small, options: {local_files_only: true, ")
    suite.write("s.yaml", text)
    env = {"HF_HUB_CACHE": str(tmp_path / "hub")}
    done = suite("run", "s.yaml", "--no-bootstrap", env=env)
    assert done.code == 0, done.err
    assert f"its weights `nobody/small` are those of the branch main, now commit {commit}" in done.err
    [run] = (suite.folder / "runs").iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    assert set(manifest["origins"].values()) == {f"nobody/small@{commit}"}
    suite.write("s.yaml", text.replace("local_files_only: true, ", f"local_files_only: true, revision: {commit}, "))
    done = suite("run", "s.yaml", "--no-bootstrap", env=env)
    assert done.code == 0 and "may be others tomorrow" not in done.err
    assert "0 predictions made" in done.err + done.out  # the same weights by another name


def offline(*arguments, **more):
    assert more["allow_patterns"] == list(hub.FILES) and not any("bin" in name or ".py" in name for name in hub.FILES)
    raise OSError("no route to host")
