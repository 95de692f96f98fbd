"""`twofold embed`, and what `--engine ray` refuses before Ray is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet
from tests.cli.cases import Parse, Run, one_line
from tests.cli.conftest import write_images

from twofold.cluster import session


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", n=5, tint=0, seed=1)
    (tmp_path / "images" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing follows")
    return tmp_path / "images"


@pytest.mark.slow
def test_vectors_are_written_and_described(
    images: Path, run: Run, tmp_path: Path, as_object: Parse
) -> None:
    out = tmp_path / "new" / "vectors.parquet"
    result = run("embed", images, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert "skipped " + str(images / "damaged.png") in result.stderr
    assert as_object(result.stdout) == {
        **{"encoder": "efficientnet_lite0", "dim": 1280, "out": str(out), "n_images": 6},
        **{"n_shards": 1, "n_resumed": 0, "n_unusable": 1, "n_anomalous": 0},
    }
    table = parquet.read_table(out)
    assert table.num_rows == 6
    assert table["vector"].null_count == 1
    again = run("embed", images, "--out", out)
    assert again.stdout == f"{out}: 5 vectors of 1280 numbers, 1 unusable\n"
    assert parquet.read_table(out).equals(table)


def test_none_of_the_images_can_be_used(images: Path, run: Run, tmp_path: Path) -> None:
    result = run("embed", images / "damaged.png", "--out", tmp_path / "v.parquet")
    assert result.exit_code == 1
    assert "none of the images can be used" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--engine", "spark"), 2, "give local or ray"),
        (("--address", "a:1"), 2, "--address needs --engine ray"),
        (("--workers", "2"), 2, "--workers needs --engine ray"),
        (("--image-size", "7"), 2, "--image-size 7"),
        (("--encoder", "none"), 2, "none"),
        (("--weights", "gone.safetensors"), 1, "gone.safetensors"),
    ],
)
def test_wrong_use(
    images: Path, run: Run, tmp_path: Path, options: tuple[str, ...], code: int, word: str
) -> None:
    out = tmp_path / "v.parquet"
    one_line(run("embed", images, "--out", out, *options), code=code, word=word)
    assert not out.exists()


def test_places_that_cannot_be_written(images: Path, run: Run, tmp_path: Path) -> None:
    one_line(run("embed", images, "--out", images), code=2, word="is a folder")
    (tmp_path / "file").write_bytes(b"")
    wrong = run("embed", images, "--engine", "ray", "--out", tmp_path / "file")
    one_line(wrong, code=2, word="is a file; name a folder")


@pytest.mark.parametrize("name", ["embed", "score", "fit"])
def test_the_extra_is_named(
    name: str, images: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    given = {
        "embed": ("embed", images),
        "score": ("score", tmp_path / "model", images),
        "fit": ("fit", "--source", images, "--target", images),
    }
    result = run(*given[name], "--engine", "ray", "--out", tmp_path / "out")
    one_line(result, code=1, word="pip install 'twofold[ray]'")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--maps", "m"), "--maps needs --engine local"),
        (("--regions", "r.csv"), "--regions needs --engine local"),
        (("--false-discovery-rate", "0.1"), "--false-discovery-rate needs --engine local"),
        ((), "--engine ray needs --out FOLDER"),
    ],
)
def test_what_a_shard_cannot_know_is_refused(
    images: Path, run: Run, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    result = run("score", tmp_path / "model", images, "--engine", "ray", *options)
    one_line(result, code=2, word=word)


def test_a_model_that_is_not_there(images: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("score", tmp_path / "model", images, "--engine", "ray", "--out", out)
    one_line(result, code=1, word="model")
    assert not out.exists()
