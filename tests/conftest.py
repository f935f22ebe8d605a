"""One BLAS thread a process: tests run in parallel, and threads of threads wait for each other."""

import numpy as np
from threadpoolctl import threadpool_limits

np.linalg.inv(np.eye(2))  # BLAS is loaded before it is limited
threadpool_limits(1, user_api="blas")
