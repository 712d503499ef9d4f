"""What a temporal pyramid would save on a published model: counted on the meta device, nothing run or downloaded.

planner.py                     stages of the method, as work asked of the network
passes.py  repeats.py          one pass of a network, counted; blocks that are alike are run twice only
counting.py  plan.py           the passes that a plan needs, the polynomials through them, and all of a plan
roofline.py  times.py          seconds that a card would take, as a band
memory.py                      bytes that a card would have to hold
document.py  tables.py  units.py    all of it as one document, and on the terminal
scan.py  figure.py             speed-up against length, size or stages
paper.py  claims.py  claim_tables.py    the paper's numbers (paper.yaml) beside what can be computed
"""
