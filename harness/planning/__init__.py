"""What a temporal pyramid would save on a published model: counted on the meta device, nothing run or downloaded.

planner.py     stages of the method, as work asked of the network
passes.py      one pass of a network, counted: operators, backward, recomputation, bytes kept
counting.py    the passes that a plan needs, and the polynomials through them
roofline.py    seconds that a card would take, as a band
memory.py      bytes that a card would have to hold
document.py    all of it in one document
tables.py      the document on the terminal
scan.py        speed-up against length, size or stages
claims.py      the paper's numbers beside what can be computed
"""
