# SPDX-License-Identifier: Unlicense
"""The trunk: finds stubs by the contract in SPEC.md, runs them, records what they measured, writes every page that shows a number.

    python -m catalog --help
"""
import os

# Stubs run on one thread: small matrices are faster, and sums keep their order. Set before anything imports numpy.
for _library in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_library, "1")
