"""GPU memory: torch's own count (``cuda-allocated``, ``cuda-reserved``) and what the driver says (``nvml-process``)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, Protocol

from harness.measure.memory import Sampled, UnreadableError


class CudaStatistics(Protocol):
    """The part of :mod:`torch.cuda` that is needed here."""

    def synchronize(self, device: str, /) -> None: ...
    def memory_allocated(self, device: str, /) -> int: ...
    def max_memory_allocated(self, device: str, /) -> int: ...
    def memory_reserved(self, device: str, /) -> int: ...
    def max_memory_reserved(self, device: str, /) -> int: ...
    def reset_peak_memory_stats(self, device: str, /) -> None: ...


class CudaMemory:
    """Torch's own peaks on the GPU, which miss nothing: bytes in tensors, or what was taken to hold them."""

    sampled = False

    def __init__(self, kind: Literal["allocated", "reserved"], device: str, cuda: CudaStatistics) -> None:
        self.name = f"cuda-{kind}"
        self.method = f"torch.cuda.max_memory_{kind}, synchronised and reset before"
        self._device, self._cuda, self._kind = device, cuda, kind

    def restart(self) -> int:
        self._cuda.synchronize(self._device)
        self._cuda.reset_peak_memory_stats(self._device)
        now = self._cuda.memory_allocated if self._kind == "allocated" else self._cuda.memory_reserved
        return int(now(self._device))

    def sample(self) -> None:
        """Torch keeps the peak itself."""

    def peak(self) -> int:
        self._cuda.synchronize(self._device)
        most = self._cuda.max_memory_allocated if self._kind == "allocated" else self._cuda.max_memory_reserved
        return int(most(self._device))

    def protocol(self) -> dict[str, Any]:
        return {}


class MemoryUse(Protocol):
    """Bytes on a GPU of some processes, and of all others."""

    @property
    def own_bytes(self) -> int | None: ...
    @property
    def foreign_bytes(self) -> int | None: ...


class ProcessMemory(Protocol):
    """A GPU that can say which process holds how much memory of it; :class:`harness.measure.nvml.Gpu` is one."""

    uuid: str | None
    reasons: dict[str, str]
    """``memory``: why the last answer was None, or had None in it."""

    def memory(self, ours: Collection[int], /) -> MemoryUse | None:
        """Bytes held by the processes ``ours`` and by the others."""
        ...


class GpuProcessMemory(Sampled):
    """Memory that some processes hold on one GPU, CUDA's context included, and beside it that of all others."""

    name = "nvml-process"
    method = "memory that the generator's processes hold on the GPU, CUDA's context included, by NVML; samples"

    def __init__(self, gpu: ProcessMemory, ours: Callable[[], Collection[int]]) -> None:
        super().__init__()
        self._gpu, self._ours = gpu, ours
        self._others: int | None = None

    def look(self) -> int:
        use = self._gpu.memory(self._ours())
        if use is None or use.own_bytes is None:
            raise UnreadableError(self._gpu.reasons.get("memory", "NVML does not say how much the process holds"))
        if use.foreign_bytes is not None:
            self._others = max(self._others or 0, use.foreign_bytes)
        return use.own_bytes

    def protocol(self) -> dict[str, Any]:
        return {"gpu": self._gpu.uuid, "others_bytes": self._others}
