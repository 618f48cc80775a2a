"""How far numbers may be apart for no other reason than rounding, whatever the processor.

A library adds up in an order of its own: it depends on the processor, the number of threads and the
shape, batch included. So the same numbers are the same bits only where the same operations ran on
the same shapes; everywhere else a bound is needed, and the arithmetic gives it.
"""

import torch


def rounding(terms, dtype=torch.float32):
    """The largest error of a sum of so many products, in any order, over the sum of their sizes.

    It is n u / (1 - n u) with u half of the step after 1 (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1). Sums of sums have the terms of both.
    """
    error = terms * torch.finfo(dtype).eps / 2
    return error / (1 - error)
