"""Small models that judge texts: what they are asked, how they answer, and how sure they are.

Nothing in here is imported before a bundle names a model: the bare install has neither numpy nor onnxruntime.
"""
