"""A deployed network: a folder with one ONNX file per sub-network, their shared weights, and a card (no torch).

The card, `card.json`, says what the network is, how good each sub-network was measured to be and on what, and how it
was trained.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from tenuto.errors import SpecError, UnknownNameError, UsageError
from tenuto.points import Estimate, Source, SubNetwork
from tenuto.storage import replace_file

CARD_SCHEMA: Final = 1
"""The version of the card that this program writes."""

CARD_FILE: Final = "card.json"

_FORMAT: Final = "tenuto-network-package"


@dataclass(frozen=True, slots=True)
class PackagedSubNetwork:
    """One deployed sub-network.

    Attributes:
        sub_network: Its setting.
        model: Its ONNX file.
        accuracy_pct: Top-1, 0 to 100, of that file on the data that the package names.
        macs: Multiply-accumulates for one item.
        parameters: Numbers in the model.
    """

    sub_network: SubNetwork
    model: Path
    accuracy_pct: Estimate
    macs: int
    parameters: int


@dataclass(frozen=True, slots=True)
class NetworkPackage:
    """A deployed network.

    Attributes:
        name: The super-network's name, such as `fashion`.
        version: Counts up whenever the weights change; `fashion@1` is the whole name.
        folder: Where its files are.
        sub_networks: Those deployed, in the card's order.
        input_shape: Of one item, without the batch: (1, 28, 28).
        dtype: Of the input, by NumPy's name.
        classes: What each output stands for.
        evaluated_on: The data that accuracies were measured on.
        n_evaluated: How many items of it.
        recipe: How it was trained; plain JSON values.
        digest: `sha256:` and the digest of all model and weight files.
    """

    name: str
    version: int
    folder: Path
    sub_networks: tuple[PackagedSubNetwork, ...]
    input_shape: tuple[int, ...]
    dtype: str
    classes: tuple[str, ...]
    evaluated_on: str
    n_evaluated: int
    recipe: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def models(self) -> dict[SubNetwork, Path]:
        """Each sub-network's ONNX file, as an engine takes them."""
        return {packaged.sub_network: packaged.model for packaged in self.sub_networks}

    def find(self, name: str) -> PackagedSubNetwork:
        """The deployed sub-network of that name.

        Raises:
            UnknownNameError: It is not deployed; carries the nearest names that are.
        """
        for packaged in self.sub_networks:
            if packaged.sub_network.name == name:
                return packaged
        raise UnknownNameError("sub-network", name, (packaged.sub_network.name for packaged in self.sub_networks))


class _AccuracyFile(msgspec.Struct, forbid_unknown_fields=True):
    value: float
    source: Source
    stdev: float | None = None


class _SubNetworkFile(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    model: str
    accuracy_pct: _AccuracyFile
    macs: int
    parameters: int


class _CardFile(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    schema: int
    network: str
    version: int
    input_shape: list[int]
    dtype: str
    classes: list[str]
    evaluated_on: str
    n_evaluated: int
    recipe: dict[str, Any]
    digest: str
    sub_networks: list[_SubNetworkFile]


class _Head(msgspec.Struct):
    """What any version of the card says about itself."""

    format: str = ""
    schema: int = 0


def measured_accuracy(n_right: int, n_evaluated: int) -> Estimate:
    """An accuracy in per cent from a count, with the standard deviation of a binomial share.

    Raises:
        UsageError: Nothing was evaluated, or more was right than was evaluated.
    """
    if not 0 <= n_right <= n_evaluated or n_evaluated == 0:
        raise UsageError(f"{n_right} right of {n_evaluated} is not an accuracy; count again")
    share = n_right / n_evaluated
    return Estimate(100 * share, "measured", 100 * math.sqrt(share * (1 - share) / n_evaluated))


def write_card(package: NetworkPackage) -> Path:
    """Write the package's card into its folder; the digest is taken from the files that are there.

    Returns:
        The card.

    Raises:
        UsageError: A model lies outside the package's folder.
        SpecError: A model or the weights cannot be read.
        OSError: The folder cannot be written; an existing card is as it was.
    """
    for packaged in package.sub_networks:
        if packaged.model.parent.resolve() != package.folder.resolve():
            raise UsageError(
                f"{packaged.model} is not in {package.folder}; export all models into the package's folder"
            )
    card = _CardFile(
        format=_FORMAT,
        schema=CARD_SCHEMA,
        network=package.name,
        version=package.version,
        input_shape=list(package.input_shape),
        dtype=package.dtype,
        classes=list(package.classes),
        evaluated_on=package.evaluated_on,
        n_evaluated=package.n_evaluated,
        recipe=dict(package.recipe),
        digest=_digest(package.folder, [packaged.model.name for packaged in package.sub_networks]),
        sub_networks=[
            _SubNetworkFile(
                packaged.sub_network.name,
                packaged.model.name,
                _AccuracyFile(packaged.accuracy_pct.value, packaged.accuracy_pct.source, packaged.accuracy_pct.stdev),
                packaged.macs,
                packaged.parameters,
            )
            for packaged in package.sub_networks
        ],
    )
    target = package.folder / CARD_FILE
    replace_file(target, msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    return target


def open_package(name_or_path: str | Path) -> NetworkPackage:
    """Open a network that ships with Tenuto, by name, or any package, by its folder.

    Raises:
        UnknownNameError: No such name and no such folder; carries the nearest names.
        SpecError: The card or a file of the package is missing, damaged, or of a newer schema.
    """
    folder = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in (shipped := shipped_packages()):
        folder = shipped[name_or_path]
    elif not folder.is_dir():
        raise UnknownNameError("network", str(name_or_path), shipped_packages())
    return _read(folder)


def shipped_packages() -> dict[str, Path]:
    """The folders of the networks that ship with Tenuto, by name."""
    root = Path(str(resources.files("tenuto"))) / "packaged"
    return {card.parent.name: card.parent for card in sorted(root.glob(f"*/{CARD_FILE}"))}


def _read(folder: Path) -> NetworkPackage:
    path = folder / CARD_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(path, f"cannot be read ({error.strerror}); the folder is not a network package") from error
    try:
        head = msgspec.json.decode(content, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(path, f"is not a card, or is cut short ({error}); get the package again") from error
    if head.format != _FORMAT:
        raise SpecError(path, f'is not a card: its "format" is not "{_FORMAT}"', key="format")
    if head.schema > CARD_SCHEMA:
        raise SpecError(
            path, f"has schema {head.schema}, this version reads up to {CARD_SCHEMA}; upgrade tenuto", key="schema"
        )
    try:
        card = msgspec.json.decode(content, type=_CardFile)
    except msgspec.ValidationError as error:
        raise SpecError(path, str(error), key=str(error).rpartition("`$.")[2].rstrip("`") or None) from error
    package = _package(card, folder, path)
    found = _digest(folder, [entry.model for entry in card.sub_networks])
    if found != card.digest:
        raise SpecError(
            path, f"says {card.digest} and the files are {found}: damaged; get the package again", key="digest"
        )
    return package


def _package(card: _CardFile, folder: Path, path: Path) -> NetworkPackage:
    if not card.sub_networks or not card.input_shape or min(card.input_shape) < 1:
        key = "sub_networks" if not card.sub_networks else "input_shape"
        raise SpecError(path, f"{key} is empty or has sizes below 1; get the package again", key=key)
    packaged = []
    for entry in card.sub_networks:
        if Path(entry.model).name != entry.model:
            raise SpecError(path, f"model {entry.model!r} is not a file name in the package's folder", key="model")
        if not 0 <= entry.accuracy_pct.value <= 100:
            raise SpecError(path, f"{entry.name} has accuracy {entry.accuracy_pct.value} %", key="accuracy_pct")
        try:
            sub_network = SubNetwork.parse(f"{card.network}/{entry.name}")
        except UsageError as error:
            raise SpecError(path, str(error), key="name") from error
        accuracy = Estimate(entry.accuracy_pct.value, entry.accuracy_pct.source, entry.accuracy_pct.stdev)
        packaged.append(PackagedSubNetwork(sub_network, folder / entry.model, accuracy, entry.macs, entry.parameters))
    return NetworkPackage(
        card.network,
        card.version,
        folder,
        tuple(packaged),
        tuple(card.input_shape),
        card.dtype,
        tuple(card.classes),
        card.evaluated_on,
        card.n_evaluated,
        card.recipe,
        card.digest,
    )


def _digest(folder: Path, models: list[str]) -> str:
    """Over the models that the card lists and every weight file (`*.bin`) beside them, names included."""
    digest = hashlib.sha256()
    for name in sorted({*models, *(path.name for path in folder.glob("*.bin"))}):
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise SpecError(folder / name, f"cannot be read ({error.strerror}); get the package again") from error
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return f"sha256:{digest.hexdigest()}"
