"""An exported folder: what is in it, and that everything in it says what the detector says."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.encoders import encoder as encoders
from twofold.errors import BundleError, ConfigError, ExportError, MissingExtraError, UsageError
from twofold.export import export_detector
from twofold.export import folder as folder_module
from twofold.export.graph import build_graph
from twofold.export.runtimes import check_format

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True, scope="module")
def toy_encoder() -> Iterator[None]:
    with toy.registered():
        yield


@pytest.fixture(scope="module")
def world() -> toy.World:
    return toy.make_world(n_source=20, n_pool=70, n_test=12)


def fitted(world: toy.World, method: str = "auto", **more: Any) -> Detector:
    options = {"effort": "fast"} if method == "auto" else None
    given: dict[str, Any] = {"options": options, "false_alarm_rate": 0.1} | more
    detector = Detector(method, encoder=toy.ENCODER, weights="random", **given)
    return detector.fit(world.source, world.pool)


@pytest.fixture(scope="module")
def detector(world: toy.World) -> Detector:
    return fitted(world)


@pytest.fixture(
    scope="module",
    params=[pytest.param("onnx", marks=pytest.mark.slow), pytest.param("openvino")],
)
def exported(
    request: pytest.FixtureRequest, detector: Detector, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("exported") / "deep" / "cells"
    return export_detector(detector, out, format=request.param).folder


def write_images(folder: Path, pixels: NDArray[np.uint8]) -> list[Path]:
    """Of every kind that the scorer is to read."""
    folder.mkdir()
    images = [Image.fromarray(one) for one in pixels]
    alpha = images[2].convert("RGBA")
    alpha.putalpha(Image.fromarray(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))))
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = np.asarray(images[4].convert("L"), dtype=np.uint16) * 257
    large = images[5].resize((1300, 900))
    images[0].save(folder / "0.png")
    images[1].resize((150, 33)).save(folder / "1, with a comma.png")
    alpha.save(folder / "2.png")
    images[3].resize((90, 70)).save(folder / "3.jpg", exif=turned)
    Image.fromarray(deep).save(folder / "4.png")
    large.save(folder / "5.jpg", quality=95)
    images[6].convert("L").save(folder / "6.bmp")
    images[7].convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "7.png")
    images[8].convert("CMYK").save(folder / "8.tiff")
    return sorted(folder.iterdir())


def scored_by_script(folder: Path, images: list[Path]) -> list[dict[str, str]]:
    said = subprocess.run(
        [sys.executable, str(folder / "score.py"), *map(str, images)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return list(csv.DictReader(io.StringIO(said.stdout)))


@pytest.mark.slow
def test_what_is_in_it(exported: Path, detector: Detector) -> None:
    told = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    files = told["graph"]["files"]
    assert {path.name for path in exported.iterdir()} == {
        *("export.json", "parity.json", "score.py", "detector.json", "tensors.safetensors"),
        *files,
    }
    for name, sha256 in files.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == sha256
    assert told["decision"]["threshold"] == detector.threshold_.value
    assert told["method"] == {"id": "auto", "revision": detector.method_.revision}
    assert told["outputs"][:2] == ["score", "map"]
    assert [(one["width"], one["height"]) for one in told["inputs"]] == [(32, 32)]
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert parity["n_images"] == parity["n_decisions"] >= 64
    assert parity["score_difference"] < 1e-5 < parity["tolerance"] == 1e-4
    assert parity["map_difference"] < 1e-4
    assert parity["runtime"].startswith(told["graph"]["runtime"] + " ")
    # Pictures of the fit and the paths of its images stay at home.
    kept = json.loads((exported / "detector.json").read_text(encoding="utf-8"))
    assert "fitted_on" not in kept
    assert not any(name.startswith("references") for name in kept["tensors"])


@pytest.mark.slow
def test_the_script_says_what_the_detector_says(
    exported: Path, detector: Detector, world: toy.World, tmp_path: Path
) -> None:
    images = write_images(tmp_path / "images", world.test)
    expected = detector.score([str(path) for path in images])
    rows = scored_by_script(exported, images)
    assert [row["image"] for row in rows] == list(map(str, images))
    scores = np.array([float(row["score"]) for row in rows])
    np.testing.assert_allclose(scores, expected.scores, atol=1e-4)
    assert [int(row["anomalous"]) for row in rows] == expected.anomalous.tolist()


def test_the_script_is_short() -> None:
    script = Path(folder_module.__file__).parent / "copied" / "score.py"
    source = script.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    lines = [line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))]
    assert {name.partition(".")[0] for name in lines} - sys.stdlib_module_names == {"numpy", "PIL"}


def test_it_loads_as_a_detector_without_the_weights(
    exported: Path, detector: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "load_encoder", lambda *given, **more: pytest.fail("loaded"))
    loaded = Detector.load(exported)
    expected, found = detector.score(world.test), loaded.score(world.test)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_array_equal(found.anomalous, expected.anomalous)
    for one, other in zip(loaded.maps(world.test), detector.maps(world.test), strict=True):
        assert one.values is not None
        assert other.values is not None
        np.testing.assert_allclose(one.values, other.values, atol=1e-3)
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.decision_function(world.test), found.scores)


def test_its_vectors_are_not_those_of_the_network_in_the_cache(
    exported: Path, detector: Detector
) -> None:
    """They agree to 1e-5, but the cache promises bits."""
    loaded, outputs = Detector.load(exported), ("pooled",)
    own = detector._frozen_encoder(detector.method_.encoder, outputs)
    other = loaded._frozen_encoder(loaded.method_.encoder, outputs)
    assert loaded.method_.encoder.fingerprint == detector.method_.encoder.fingerprint
    assert own._inference.spaces != other._inference.spaces


@pytest.mark.slow
def test_outputs_that_the_graph_lacks_come_from_the_weights(
    exported: Path, detector: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Detector.load(exported, weights="random")
    encoder = loaded.method_.encoder
    frozen = loaded._frozen_encoder(encoder, ("stride8",))
    own = detector._frozen_encoder(detector.method_.encoder, ("stride8",))
    images = loaded._find(world.test[:2])
    np.testing.assert_array_equal(frozen.encode(images)["stride8"], own.encode(images)["stride8"])
    monkeypatch.setattr("twofold.encoders.engine.find_spec", lambda name: None)
    again, fresh = Detector.load(exported), loaded._find(world.test[2:4])
    with pytest.raises(MissingExtraError, match="this exported model gives pooled, pooled-1"):
        again._frozen_encoder(again.method_.encoder, ("stride8",)).encode(fresh)


def test_a_damaged_graph_is_refused(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    graph = next(path for path in copy.iterdir() if path.suffix in (".onnx", ".bin"))
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(BundleError, match=f"{graph.name}: damaged or altered"):
        Detector.load(copy)
    graph.unlink()
    with pytest.raises(BundleError, match=f"{graph.name}: No such file"):
        Detector.load(copy)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["target_only", "frozen_source", "padim", "patchcore"])
def test_other_methods(method: str, world: toy.World, tmp_path: Path) -> None:
    one = fitted(world, method)
    done = export_detector(one, tmp_path / "out", images=world.pool)
    assert (done.parity.n_images, done.compared_on) == (70, "images given")
    assert (done.parity.map_difference is None) == (not one.method_.config.has_maps())
    loaded = Detector.load(tmp_path / "out")
    np.testing.assert_allclose(
        loaded.decision_function(world.test), one.decision_function(world.test), rtol=1e-4
    )


@pytest.mark.slow
def test_a_bank_at_two_sizes(world: toy.World, tmp_path: Path) -> None:
    options = {"places": "none", "image_size": [96, 64]}
    one = fitted(world, options=options)
    export_detector(one, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    sides = [(side["width"], side["height"]) for side in told["inputs"]]
    assert sides[:2] == [(32, 32), (96, 64)]
    images = write_images(tmp_path / "images", world.test)
    rows = scored_by_script(tmp_path / "out", images)
    expected = one.decision_function([str(path) for path in images])
    np.testing.assert_allclose([float(row["score"]) for row in rows], expected, atol=1e-3)


@pytest.mark.slow
def test_one_mask_goes_with_it(world: toy.World, tmp_path: Path) -> None:
    mask = np.ones((toy.SIDE, toy.SIDE), dtype=np.bool_)
    mask[:34, 30:] = False
    one = fitted(world, mask=mask)
    folder = export_detector(one, tmp_path / "out").folder
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "mask.png")) >= 128, mask)
    paths = []
    for row, pixels in enumerate(world.test):
        paths.append(tmp_path / f"{row:02}.png")
        Image.fromarray(pixels).save(paths[-1])
    rows = scored_by_script(folder, paths)
    expected = one.decision_function([str(path) for path in paths])
    np.testing.assert_allclose([float(row["score"]) for row in rows], expected, atol=1e-4)


@pytest.mark.slow
def test_masks_by_name_are_refused(world: toy.World, tmp_path: Path) -> None:
    for part, images in (("source", world.source), ("target", world.pool)):
        (tmp_path / part).mkdir()
        for row, pixels in enumerate(images):
            Image.fromarray(pixels).save(tmp_path / part / f"{row}.png")
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.full((toy.SIDE, toy.SIDE), 255, np.uint8)).save(tmp_path / "masks" / "0.png")
    one = Detector(
        encoder=toy.ENCODER,
        weights="random",
        options={"effort": "fast"},
        mask=str(tmp_path / "masks"),
    ).fit(str(tmp_path / "source"), str(tmp_path / "target"))
    with pytest.raises(ConfigError, match="a mask for each image cannot be exported"):
        export_detector(one, tmp_path / "out")


@pytest.mark.slow
def test_what_marks_have_taught_goes_with_it(
    detector: Detector, world: toy.World, tmp_path: Path
) -> None:
    marks = np.where(np.arange(70) < 40, world.pool_labels.astype(float), np.nan)
    learned = detector.refit(world.pool, marks, source=world.source)
    assert learned.correction_ is not None
    done = export_detector(learned, tmp_path / "out", images=world.test)
    assert done.parity.score_difference < 1e-4
    loaded = Detector.load(tmp_path / "out")
    np.testing.assert_allclose(
        loaded.decision_function(world.test), learned.decision_function(world.test), atol=1e-4
    )


@pytest.mark.slow
def test_what_cannot_be_exported(detector: Detector, world: toy.World, tmp_path: Path) -> None:
    trained = Detector(
        "source_only",
        encoder=toy.ENCODER,
        weights="random",
        options={"training": {"epochs": 1, "min_steps": 2}},
    ).fit(world.source)
    with pytest.raises(ConfigError, match="method source_only cannot be exported"):
        export_detector(trained, tmp_path / "out")
    with pytest.raises(ConfigError, match="unknown format 'tflite': choose onnx or openvino"):
        export_detector(detector, tmp_path / "out", format="tflite")  # type: ignore[arg-type]
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="mine: exists and is no earlier export"):
        export_detector(detector, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
def test_a_graph_that_says_something_else_is_not_written(
    detector: Detector, world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fitted(toy.make_world(5, n_source=20, n_pool=70, n_test=2))
    monkeypatch.setattr(
        folder_module, "build_graph", lambda method, *rest: build_graph(other.method_, *rest)
    )
    with pytest.raises(ExportError, match="differs from the detector: scores by up to"):
        export_detector(detector, tmp_path / "out", images=world.test)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_earlier_export_is_replaced(detector: Detector, tmp_path: Path) -> None:
    first = export_detector(detector, tmp_path / "out")
    (first.folder / "score.py").write_text("changed", encoding="utf-8")
    assert export_detector(detector, tmp_path / "out").folder == first.folder
    assert "changed" not in (first.folder / "score.py").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_onnx_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twofold\[export\]'"):
        check_format("onnx")
    assert check_format("openvino").files == ("model.xml", "model.bin")
