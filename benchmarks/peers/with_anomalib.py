"""Models of anomalib on the network and weights of twofold's default encoder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.data import PredictDataset
from anomalib.engine import Engine
from anomalib.models import Dfkde, Dfm, Padim, Patchcore
from anomalib.pre_processing import PreProcessor
from lightning import seed_everything
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import Compose, InterpolationMode, Normalize, Resize

from peers.cells import Images
from peers.machine import cores
from peers.systems import Array, Score
from twofold.encoders.efficientnet_lite import LITE0, timm_name
from twofold.encoders.weights import find_weights, read_tensors

# Stages of 1/4, 1/8, 1/16 and 1/32 of the side, as the layers 1 to 4 of anomalib's own backbones.
_STAGES = ("blocks.1", "blocks.2", "blocks.4", "blocks.6")
MODELS: Mapping[str, Callable[..., Any]] = {
    # It has no default for this network; 100 is the one for its own, resnet18.
    "padim": partial(Padim, layers=list(_STAGES[:3]), n_features=100),
    # 1% (the paper's PatchCore-1%), for the default of 10% takes hours on two cores.
    "patchcore": partial(Patchcore, layers=_STAGES[1:3], coreset_sampling_ratio=0.01),
    "patchcore_10": partial(Patchcore, layers=_STAGES[1:3]),
    "dfkde": partial(Dfkde, layers=_STAGES[3:]),
    "dfm": partial(Dfm, layer=_STAGES[2]),
}
# anomalib's own for folders of images.
_BATCH = 32


def pre_processor() -> PreProcessor:
    """Twofold's of this network; anomalib's pixels lie in [0, 1]."""
    own = LITE0.preprocessing
    mean, std = ([value / 255 for value in values] for values in (own.mean, own.std))
    size = Resize(own.shape, interpolation=InterpolationMode.BICUBIC, antialias=True)
    return PreProcessor(Compose([size, Normalize(mean=mean, std=std)]))


def fill(network: torch.nn.Module) -> None:
    """Put the published weights into timm's network, which ends before the classifier.

    Raises:
        ValueError: a tensor of the network has no published value.
    """
    published = read_tensors(find_weights(LITE0), None)
    tensors = {timm_name(name, variant=0): tensor for name, tensor in published.items()}
    wanted = network.state_dict()
    absent = sorted(set(wanted) - set(tensors))
    # Counted in training alone; older files have none.
    if [name for name in absent if not name.endswith("num_batches_tracked")]:
        raise ValueError(f"no weights for {absent[0]}")
    network.load_state_dict({name: tensors.get(name, own) for name, own in wanted.items()})


def build(model: str) -> Any:
    """An unfitted model. Nothing is drawn, judged or normalised: scores are all that is wanted."""
    made = MODELS[model](
        backbone=LITE0.architecture,
        pre_trained=False,
        pre_processor=pre_processor(),
        post_processor=False,
        evaluator=False,
        visualizer=False,
    )
    fill(made.model.feature_extractor.feature_extractor)
    return made


def fit(model: str, fitted_on: str, images: Images, run: int) -> Score:
    """See :data:`peers.systems.Fit`."""
    seed_everything(run, verbose=False)
    detector = build(model)
    folder = Path(tempfile.mkdtemp())
    # Barebones: no files, bars or logs.
    engine = Engine(default_root_dir=folder / "results", barebones=True, accelerator="cpu")
    engine.fit(detector, train_dataloaders=loader(detector, images.of(fitted_on), folder / "fit"))
    return partial(scored, engine, detector, folder)


def scored(engine: Engine, detector: Any, folder: Path, paths: Sequence[str]) -> Array:
    """Scores of image files, float64 (n,)."""
    found: dict[str, float] = {}
    for batch in engine.predict(detector, dataloaders=loader(detector, paths, folder / "score")):
        scores = batch.pred_score.reshape(-1).tolist()
        found |= {Path(p).stem: score for p, score in zip(batch.image_path, scores, strict=True)}
    return np.array([found[_name(row)] for row in range(len(paths))], dtype=np.float64)


def loader(detector: Any, paths: Sequence[str], folder: Path) -> DataLoader[Any]:
    """Image files in batches, decoded by as many processes as there are cores."""
    # Resized when it is read, since a batch is of one size.
    resize = detector.pre_processor.transform.transforms[0]
    dataset = PredictDataset(linked(paths, folder), transform=resize)
    return DataLoader(
        dataset, batch_size=_BATCH, num_workers=cores(), collate_fn=dataset.collate_fn
    )


def linked(paths: Sequence[str], folder: Path) -> Path:
    """A folder of links to the files, for anomalib takes folders; named by their numbers."""
    folder.mkdir(parents=True)
    for row, path in enumerate(paths):
        (folder / f"{_name(row)}{Path(path).suffix}").symlink_to(path)
    return folder


def _name(row: int) -> str:
    return f"{row:06d}"
