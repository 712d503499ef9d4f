"""A stand-in for the part of ``torch.cuda`` that memory is read from."""

from __future__ import annotations


class FakeCuda:
    """What tests say is in use, counted as torch.cuda counts it."""

    def __init__(self) -> None:
        self.now = {"allocated": 0, "reserved": 0}
        self.most = dict(self.now)
        self.waited, self.lost = 0, False

    def use(self, allocated: int) -> None:
        """The reserved blocks are kept when they are not needed."""
        self.now = {"allocated": allocated, "reserved": max(self.now["reserved"], 2 * allocated)}
        self.most = {kind: max(size, self.now[kind]) for kind, size in self.most.items()}

    def synchronize(self, device: str) -> None:
        if self.lost:
            raise RuntimeError("CUDA error: device is lost")
        self.waited += 1

    def reset_peak_memory_stats(self, device: str) -> None:
        self.most = dict(self.now)

    def memory_allocated(self, device: str) -> int:
        return self.now["allocated"]

    def max_memory_allocated(self, device: str) -> int:
        return self.most["allocated"]

    def memory_reserved(self, device: str) -> int:
        return self.now["reserved"]

    def max_memory_reserved(self, device: str) -> int:
        return self.most["reserved"]

    def is_available(self) -> bool:
        return False
