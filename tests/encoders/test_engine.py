"""Both inference engines: the same numbers, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from twofold.encoders import engine as engines
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import BATCH, EngineKind, output_names
from twofold.encoders.runners import OpenVinoRunner
from twofold.encoders.settings import GROUP, EngineSettings
from twofold.errors import ConfigError

RandomBatch = Callable[..., NDArray[np.uint8]]
ENGINES: tuple[EngineKind, ...] = ("openvino", "torch")


@pytest.fixture(params=ENGINES)
def lite0_engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(f"lite0_{request.param}")
    return engine


@pytest.fixture(scope="module", params=ENGINES)
def tiny_engine(
    request: pytest.FixtureRequest,
    tiny: Encoder,
    isolated: Callable[[], AbstractContextManager[None]],
) -> Engine:
    with isolated():
        return make_engine(tiny, (*output_names(tiny), "pooled-1"), request.param)


def test_the_outputs_of_an_encoder(tiny: Encoder) -> None:
    assert output_names(tiny) == (
        "pooled",
        "stride8",
        "stride16",
        "split:head",
        "split:last_stage",
        "split:all",
    )


@pytest.mark.parametrize("outputs", [["pooled", "stride4"], ["split:neck"], [""], ["stride"]])
def test_an_unknown_output_is_refused(tiny: Encoder, outputs: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"tiny has no output .*choose from pooled, stride8"):
        make_engine(tiny, outputs, "torch")


def test_an_unknown_engine_is_refused(tiny: Encoder) -> None:
    with pytest.raises(ConfigError, match="engine 'tensorrt': choose auto, openvino or torch"):
        make_engine(tiny, kind="tensorrt")  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_engines_agree_on_every_output_of_lite0(
    lite0_openvino: Engine, lite0_torch: Engine, random_batch: RandomBatch
) -> None:
    batch = random_batch(224)
    assert lite0_openvino.outputs == lite0_torch.outputs
    both = zip(lite0_openvino.outputs, lite0_openvino(batch), lite0_torch(batch), strict=True)
    for name, one, other in both:
        assert one.shape == other.shape
        assert one.dtype == other.dtype == np.float32
        scale = 1.0 if name == "pooled" else float(np.abs(other).max())
        np.testing.assert_allclose(one, other, atol=1e-4 * scale, err_msg=name)


def shuffled(engine: Engine, batch: NDArray[np.uint8], noise: NDArray[np.uint8]) -> None:
    """Each image gets its bits wherever it stands and whatever stands beside it."""
    plain = engine(batch)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(BATCH)
        strangers = np.random.default_rng(seed + 10).random(BATCH) < 0.5
        other = batch[order]
        other[strangers] = noise[strangers]
        for name, first, second in zip(engine.outputs, plain, engine(other), strict=True):
            same = ~strangers
            np.testing.assert_array_equal(second[same], first[order][same], err_msg=name)


@pytest.mark.slow
def test_lite0_gives_an_image_the_same_bits_in_any_company(
    lite0_engine: Engine, random_batch: RandomBatch
) -> None:
    shuffled(lite0_engine, random_batch(224), random_batch(224, seed=1))


@pytest.mark.slow
def test_a_tiny_network_gives_an_image_the_same_bits_in_any_company(
    tiny_engine: Engine, random_batch: RandomBatch
) -> None:
    batch = random_batch(32)
    extremes = np.zeros_like(batch)
    extremes[::2] = 255
    shuffled(tiny_engine, batch, extremes)


def test_several_threads_may_call_at_once(tiny_engine: Engine, random_batch: RandomBatch) -> None:
    batches = [random_batch(32, seed=seed) for seed in range(24)]
    expected = [tiny_engine(batch) for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(tiny_engine, batches))
    for one, other in zip(found, expected, strict=True):
        for array, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, right)


def test_results_are_not_overwritten_by_the_next_call(
    tiny_engine: Engine, random_batch: RandomBatch
) -> None:
    first = tiny_engine(random_batch(32))
    copies = [array.copy() for array in first]
    tiny_engine(random_batch(32, seed=1))
    for array, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_any_number_of_images(tiny: Encoder, random_batch: RandomBatch, kind: EngineKind) -> None:
    engine = make_engine(tiny, ["pooled", "stride8"], kind)
    batch = np.concatenate([random_batch(32), random_batch(32, seed=1)])
    whole = engine(batch)
    for n in (1, 2, GROUP, GROUP + 1, BATCH - 1, BATCH + 1):
        for found, expected in zip(engine(batch[:n]), whole, strict=True):
            np.testing.assert_array_equal(found, expected[:n])


def grouped(engine: Engine) -> bool:
    return engine._group is not None  # type: ignore[attr-defined]


@pytest.mark.slow
def test_many_images_go_in_groups_with_the_same_bits(
    tiny: Encoder, random_batch: RandomBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = make_engine(tiny, ["pooled", "stride8"], "openvino")
    batch = random_batch(32)[: GROUP + 2]
    expected = alone(batch)
    assert not grouped(alone)
    monkeypatch.setattr(engines, "_GROUPS_FROM", 2 * len(batch))
    engine = make_engine(tiny, ["pooled", "stride8"], "openvino")
    for _ in range(4):
        for found, right in zip(engine(batch), expected, strict=True):
            np.testing.assert_array_equal(found, right)
    assert grouped(engine)


@pytest.mark.slow
def test_groups_with_other_bits_are_not_used(
    tiny: Encoder, random_batch: RandomBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drifting(OpenVinoRunner):
        def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
            off = np.float32(1e-6 if len(inputs) > 1 else 0.0)
            return tuple(array + off for array in super().__call__(inputs))

    monkeypatch.setattr(engines, "_GROUPS_FROM", 1)
    monkeypatch.setattr(engines, "OpenVinoRunner", Drifting)
    engine = make_engine(tiny, ["pooled"], "openvino")
    batch = random_batch(32)
    (first,), (second,) = engine(batch), engine(batch)
    assert not grouped(engine)
    np.testing.assert_array_equal(first, second)


class Streams(OpenVinoRunner):
    """Notes how many streams each call had to choose from."""

    calls: ClassVar[list[int]] = []

    def __init__(self, model: Any, sample: NDArray[Any], streams: int) -> None:
        self._n = streams
        super().__init__(model, sample, streams)

    def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        self.calls.append(self._n)
        return super().__call__(inputs)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(engines, "OpenVinoRunner", Streams)
    monkeypatch.setattr(EngineSettings, "here", lambda: EngineSettings(2, GROUP))
    monkeypatch.setattr(Streams, "calls", [])
    return Streams.calls


def test_few_images_alone_take_all_cores_and_keep_their_bits(
    tiny: Encoder, random_batch: RandomBatch, streams: list[int]
) -> None:
    engine, batch = make_engine(tiny, ["pooled", "stride8"], "openvino"), random_batch(32)
    expected = engine(batch)
    engine.prepare_few()
    for n, wide in ((1, True), (GROUP - 1, True), (GROUP, False), (BATCH, False)):
        streams.clear()
        for found, right in zip(engine(batch[:n]), expected, strict=True):
            np.testing.assert_array_equal(found, right[:n])
        assert streams == [1 if wide else 2] * n
    streams.clear()
    engine.prepare_few()
    assert streams == []  # it is compiled already


def test_while_another_call_is_under_way_each_has_one_core(
    tiny: Encoder, random_batch: RandomBatch, streams: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, image = make_engine(tiny, ["pooled"], "openvino"), random_batch(32)[:1]
    engine.prepare_few()
    within: list[NDArray[np.float32]] = []
    call = Streams.__call__

    def meanwhile(self: Streams, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        if not within:
            within.append(np.empty(0, np.float32))
            within.extend(engine(image))
        return call(self, inputs)

    monkeypatch.setattr(Streams, "__call__", meanwhile)
    streams.clear()
    (outer,) = engine(image)
    assert streams == [2, 1]
    np.testing.assert_array_equal(within[1], outer)
    streams.clear()
    for _ in range(5):  # once there have been enough that none came upon
        engine(image)
    assert streams == [2, 2, 2, 2, 1]


def test_all_cores_with_other_bits_or_with_one_core_are_not_used(
    tiny: Encoder, random_batch: RandomBatch, streams: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = random_batch(32)[:1]
    with monkeypatch.context() as patch:
        patch.setattr(EngineSettings, "here", lambda: EngineSettings(1, GROUP))
        engine = make_engine(tiny, ["pooled"], "openvino")
        n = len(streams)
        engine.prepare_few()
        assert len(streams) == n

    class Drifting(Streams):
        def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
            return tuple(one + np.float32(self._n) for one in super().__call__(inputs))

    monkeypatch.setattr(engines, "OpenVinoRunner", Drifting)
    engine = make_engine(tiny, ["pooled"], "openvino")
    engine.prepare_few()
    streams.clear()
    engine(image)
    assert streams == [2]


@pytest.mark.slow
def test_a_network_that_takes_one_image_only_gets_one(
    tiny: Encoder, random_batch: RandomBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("this reshape holds the number 1")

    monkeypatch.setattr(engines, "_GROUPS_FROM", 1)
    engine = make_engine(tiny, ["pooled"], "openvino")
    monkeypatch.setattr(type(engine._model), "reshape", refuse)  # type: ignore[attr-defined]
    assert engine(random_batch(32))[0].shape[0] == BATCH
    assert not grouped(engine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "outputs", [["pooled"], ["stride16", "stride8"], ["split:last_stage"], ["split:all", "pooled"]]
)
@pytest.mark.parametrize("kind", ENGINES)
def test_outputs_come_as_asked_for(
    tiny: Encoder,
    tiny_engine: Engine,
    random_batch: RandomBatch,
    outputs: Sequence[str],
    kind: EngineKind,
) -> None:
    batch = random_batch(32)
    engine = make_engine(tiny, outputs, kind)
    assert engine.outputs == tuple(outputs)
    full = dict(zip(tiny_engine.outputs, tiny_engine(batch), strict=True))
    for name, array in zip(outputs, engine(batch), strict=True):
        np.testing.assert_allclose(array, full[name], atol=1e-4, err_msg=name)


def test_the_whole_split_is_the_normalised_image(
    tiny: Encoder, tiny_engine: Engine, random_batch: RandomBatch
) -> None:
    batch = random_batch(32)
    given = tiny_engine(batch)[tiny_engine.outputs.index("split:all")]
    preprocessing = tiny.spec.preprocessing
    expected = (batch - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    np.testing.assert_allclose(given, expected.transpose(0, 3, 1, 2), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_an_engine_leaves_the_encoder_as_it_was(
    make_tiny: Callable[..., Encoder], random_batch: RandomBatch, kind: EngineKind
) -> None:
    encoder = make_tiny()
    before = {name: (t.clone(), t.stride(), t.device) for name, t in encoder.state().items()}
    make_engine(encoder, kind=kind)(random_batch(32))
    for name, tensor in encoder.state().items():
        values, stride, device = before[name]
        assert torch.equal(tensor, values), name
        assert (tensor.stride(), tensor.device) == (stride, device), name


@pytest.mark.slow
def test_automatic_choice_without_a_graphics_card(
    tiny: Encoder, random_batch: RandomBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    batch = random_batch(32)
    (automatic,), (explicit,) = make_engine(tiny)(batch), make_engine(tiny, kind="openvino")(batch)
    np.testing.assert_array_equal(automatic, explicit)
