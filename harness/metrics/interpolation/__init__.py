"""The frame halfway between two: by a network, or by their mean."""
