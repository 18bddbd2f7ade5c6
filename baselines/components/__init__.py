"""The parts that variants are made of, found by name: networks, losses, upsampling, normalisation."""
