"""Rounding and pruning by second moments: what becomes of a weight follows from the inputs that it is multiplied with.

A weight is matrices ``W [groups, rows, n]`` with ``y = W x`` for each group; the groups are those of a convolution, and
1 otherwise. ``H = E[(x - m)(x - m)^T]`` makes ``trace((W - What) H (W - What)^T)`` the mean squared error of outputs.
Rounding goes column by column and passes each error on to the columns that are still to come (optimal brain surgeon,
Hassibi and Stork 1993; GPTQ, Frantar et al. 2023; masks: ALPS, Meng et al. 2024).

Results are the same for the same arrays on processors of one kind, as long as BLAS has the same number of threads: all
blocks have fixed sizes. Who wants that starts processes with ``OPENBLAS_NUM_THREADS=1`` and does a weight in each.
"""
