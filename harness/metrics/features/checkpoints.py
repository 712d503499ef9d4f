"""Parameters from the files in which networks are published: safetensors, torch.save, or a listed TorchScript archive.

TorchScript is code. It is opened only where the slot lists the file's hash, and then only its parameters are taken.
"""

from __future__ import annotations

import warnings
import zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from harness.errors import WeightsError
from harness.given import GivenFile, find_slot
from harness.metrics.parameters import read_parameters


def read_checkpoint(slot: str, file: GivenFile, *, under: str | None = None) -> dict[str, torch.Tensor]:
    """Named parameters of the user's file, on the CPU.

    Args:
        slot: which file it is: lists what may be opened as TorchScript.
        file: the file.
        under: the key of the dictionary that torch.save wrote, if they are not alone; safetensors has no such keys.

    Raises:
        WeightsError: it cannot be read, holds something else, or is TorchScript that the slot does not list.
    """
    if file.path.suffix == ".safetensors":
        try:
            return dict(load_file(file.path))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{file.path} cannot be read as safetensors: {error}") from error
    if not _is_torchscript(file):
        return read_parameters(file.path, under=under)
    listed = find_slot(slot).listed
    if file.sha256 not in listed:
        raise WeightsError(
            f"{file.path} is a TorchScript archive: opening it runs the code inside, so only files that are known are. "
            f"Its sha256 is {file.sha256}, known for '{slot}': {', '.join(listed) or 'none'}. Save its parameters as "
            f"safetensors, or by torch.save(network.state_dict(), FILE), then `tpbench weights add {slot} FILE`."
        )
    with warnings.catch_warnings():
        # torch advises against new archives; these were published years ago.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.load` is deprecated")
        return dict(torch.jit.load(file.path, map_location="cpu").state_dict())


def _is_torchscript(file: GivenFile) -> bool:
    """By what torch.load itself goes by: such an archive holds constants beside its data."""
    if not zipfile.is_zipfile(file.path):
        return False
    with zipfile.ZipFile(file.path) as archive:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())
