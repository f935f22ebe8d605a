"""Compiled agglomerations: the same merges as `agglomeration` and `pooled`, in a tenth of the time.

``pairs`` and ``metric`` are templates of Python that numba compiles; ``compiler`` compiles them.
"""
