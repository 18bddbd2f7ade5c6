"""What a size means for a grid, in words: depth, padding, receptive fields along each axis, and aspect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baselines.settings import TrainingSettings
    from bench.spec.grid import Plan


def geometry_lines(plans: list[Plan]) -> list[str]:
    """Depth, padding and receptive fields of a grid by size, along each axis; and changes of aspect."""
    lines: list[str] = []
    for plan in plans:
        for spec in plan.runs:
            if halvings := spec.variant.halvings(spec.training.generator_levels):
                lines += _of_size(spec.training, halvings)
            if (field := spec.variant.receptive_field) is not None:
                lines.append(_of_field(field, spec.training))
        lines += aspect_lines([plan])
    return list(dict.fromkeys(lines))


def aspect_lines(plans: list[Plan]) -> list[str]:
    """What happens to the aspect of images, by data set and size; nothing where it stays."""
    from baselines.sizes import size_order

    lines = []
    for plan in plans:
        for size_px in sorted(plan.sizes, key=size_order):
            if squeezed := plan.dataset.squeezed(size_px, "train", plan.data.train_n):
                lines.append(f"{plan.data.name}: the aspect is changed: {squeezed}")
    return lines


def _of_size(settings: TrainingSettings, levels: int) -> list[str]:
    from baselines.geometry import padded_size, words_of_padding
    from baselines.sizes import NATIVE, image_size, words_of_size

    said = f"generator at {words_of_size(settings.size_px)}: {levels} levels"
    if settings.size_px != NATIVE:
        seen = padded_size(image_size(settings.size_px), levels)
        said += f" down to {seen.width // 2**levels}x{seen.height // 2**levels}"
    padding = words_of_padding(settings.size_px, levels)
    return [said + (f", padded {padding}" if padding else "")]


def _of_field(field: int, settings: TrainingSettings) -> str:
    from baselines.sizes import NATIVE, image_size

    if settings.size_px == NATIVE:
        return f"discriminator of {field} px: each output sees {field} px across and down of each image"
    sides = image_size(settings.size_px)
    parts = [
        f"all {side} px {way}" if field >= side else f"{field} of {side} px {way}"
        for side, way in ((sides.width, "across"), (sides.height, "down"))
    ]
    return f"discriminator of {field} px: each output sees {' and '.join(parts)}"
