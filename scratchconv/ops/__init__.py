"""Operations on arrays: check arguments, allocate, choose the algorithm, call kernels, keep what backward needs."""
