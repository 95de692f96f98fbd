"""Work on more images than one process should hold: shards, several machines by Ray, resuming.

A *plan* cuts the images into shards, always the same for the same images. Each shard is one task,
and its result one Parquet file under a name that only its number decides: written under another
name first and then renamed, so that a task that is repeated replaces its own file by an equal one.
Ray Data hands the shards to actors that keep a detector or an encoder in memory.

Ray and pyarrow are imported when something is run, not by importing this package.
"""

from twofold.cluster.embedding import EmbedJob, embed_to_file
from twofold.cluster.fitting import fill_cache
from twofold.cluster.plan import MANIFEST, Summary
from twofold.cluster.running import run_on_ray
from twofold.cluster.scoring import ScoreJob
from twofold.cluster.session import ray_session
from twofold.cluster.streams import Coreset, vector_coreset, vector_moments

__all__ = [
    "MANIFEST",
    "Coreset",
    "EmbedJob",
    "ScoreJob",
    "Summary",
    "embed_to_file",
    "fill_cache",
    "ray_session",
    "run_on_ray",
    "vector_coreset",
    "vector_moments",
]
