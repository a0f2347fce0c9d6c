"""Small models that judge texts: what they are asked, how they answer, and how sure they are.

Nothing in here is imported before a bundle names a model: the bare install has neither numpy nor onnxruntime.
"""

import os

# Read by numpy's linear algebra when it is loaded. Its own threads would spin beside ours, and the products here are so
# small that they cost more than they bring: a third of the processor time of a short text.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
