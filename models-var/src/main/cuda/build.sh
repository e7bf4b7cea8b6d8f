#!/bin/sh
# Builds espalier_kernels.cu for the GPU of this machine against a libtorch with headers.
#   build.sh LIBTORCH OUTPUT     for example build.sh ~/libtorch ~/libespalier_kernels.so
# Needs nvcc of the CUDA release that the libtorch was built with.
set -eu
[ $# -eq 2 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed 1d; exit 2; }
exec nvcc -O3 -std=c++17 -arch=native -shared -Xcompiler -fPIC -cudart shared \
  "-I$1/include" "-I$1/include/torch/csrc/api/include" "-L$1/lib" -ltorch_cpu -lc10 -lc10_cuda \
  -o "$2" "$(dirname "$0")/espalier_kernels.cu"
