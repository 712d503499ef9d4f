"""Where each pixel of a frame goes in the next one: optical flow, with and without a network."""
