"""One call of a frozen network on arrays of a fixed shape: by OpenVINO or by PyTorch."""

from __future__ import annotations

import copy
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.encoders.converted import import_openvino
from twofold.encoders.spec import Preprocessing
from twofold.threads import cores, limited

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = deferred("torch")

__all__ = ["OpenVinoRunner", "Runner", "TorchRunner"]


class Runner(Protocol):
    """Runs a network; may be called from several threads."""

    def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """An array of the one shape it was made for -> one float32 array per output."""
        ...  # pragma: no cover

    def release(self) -> None:
        """Give back what memory calls take, until the next one."""
        ...  # pragma: no cover


class OpenVinoRunner:
    """float32 on the CPU.

    Args:
        model: an ``openvino.Model`` with fixed shapes.
        sample: an input, for the first call.
        streams: calls that may run side by side, each with activations of its own.
    """

    def __init__(self, model: Any, sample: NDArray[Any], streams: int) -> None:
        ov = import_openvino()
        settings: dict[str, Any] = {
            # Without it, a CPU with bfloat16 units would silently use them.
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams,
            # Bound to one core each, streams would wait for whatever else runs on it.
            "ENABLE_CPU_PINNING": False,
        }
        if limited():  # else its streams share all cores of the machine
            settings["INFERENCE_NUM_THREADS"] = max(streams, cores())
        compiled = ov.Core().compile_model(model, "CPU", settings)
        self._compiled, self._n_outputs = compiled, len(compiled.outputs)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        # OpenVINO's binding sets up its numpy support in the first call, and two threads in that
        # call at once wait for each other for ever. So the first call is here.
        self(sample)

    def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Runner`."""
        request = self._requests.get()
        try:
            request.infer({0: inputs}, share_inputs=True)
            return tuple(
                np.array(request.get_output_tensor(index).data, dtype=np.float32)
                for index in range(self._n_outputs)
            )
        finally:
            self._requests.put(request)

    def release(self) -> None:
        """Give back the memory of activations, unless a call is under way."""
        # Elsewhere it is taken again with the next call.
        with suppress(RuntimeError):
            self._compiled.release_memory()


class TorchRunner:
    """Eager PyTorch, channels last, on CUDA where there is one.

    Args:
        module: gives a tuple of tensors.
        preprocessing: normalises uint8 (n, h, w, 3) pixels; None where float32 (n, c, h, w) come.
    """

    def __init__(self, module: nn.Module, preprocessing: Preprocessing | None) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # A copy: moving a module changes it in place, and the encoder's must stay as it is.
        module = copy.deepcopy(module).eval()
        self._module = module.to(self._device).to(memory_format=torch.channels_last)
        self._takes_pixels = preprocessing is not None
        if preprocessing is not None:
            self._mean = torch.tensor(preprocessing.mean, device=self._device)
            self._std = torch.tensor(preprocessing.std, device=self._device)
        # PyTorch spreads one call over all cores; a second beside it would only compete.
        self._lock = threading.Lock()

    def __call__(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`Runner`."""
        with self._lock, torch.inference_mode():
            return self._forward(inputs)

    def release(self) -> None:
        """PyTorch gives back what it does not need by itself."""

    def _forward(self, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        tensor = torch.from_numpy(inputs).to(self._device)
        if self._takes_pixels:
            tensor = ((tensor.float() - self._mean) / self._std).permute(0, 3, 1, 2)
        values = self._module(tensor)
        return tuple(value.float().cpu().contiguous().numpy() for value in values)
