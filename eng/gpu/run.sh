#!/usr/bin/env bash
# On a machine with a GPU, a PyTorch and g++: unpacks what pack.sh made, builds TorchSharp's native part against that PyTorch (its release may differ from TorchSharp's own),
# and runs tests on the GPU, several filters side by side, each into its log in OUT. PEFT_TESTS names the tests that were packed (Microsoft.ML.Peft.Tests).
# usage: eng/gpu/run.sh PACKED_FOLDER OUT FILTER...
set -uo pipefail
packed=$1 out=$2 root=${TMPDIR:-/tmp}/peft-gpu
shift 2
torch=$(python3 -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("torch").origin))')
mkdir -p "$root" "$out"
for archive in "$packed"/*.tar.xz; do python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$archive" "$root" & done
wait
tests=${PEFT_TESTS:-Microsoft.ML.Peft.Tests}
bin=$root/main/test/$tests/bin/Release/net10.0 native=$root/main/test/$tests/bin/Release/net10.0/runtimes/linux-x64/native
(cd "$root/src/Native/LibTorchSharp" && ls THS*.cpp cifar10.cpp Utils.cpp crc32c.c | xargs -P "$(nproc)" -I{} g++ -O1 -fPIC -w -x c++ -std=c++17 -I.. -I. \
    -I"$torch/include" -I"$torch/include/torch/csrc/api/include" -c {} -o {}.o && g++ -shared -o "$native/libLibTorchSharp.so" ./*.o -L"$torch/lib" -ltorch -ltorch_cpu -lc10) || exit 1
# The application's manifest names the libraries of its own libtorch: the names lead to PyTorch's.
while read -r name; do
    found=$torch/lib/$name; [ -e "$found" ] || found=$torch/lib/libc10.so
    ln -sf "$found" "$native/$name"
done < "$bin/missing.txt"
export LD_LIBRARY_PATH=$torch/lib:$(ls -d "$torch"/../nvidia/*/lib 2> /dev/null | tr '\n' ':')${LD_LIBRARY_PATH:-}
export DOTNET_ROOT=$root/dotnet PATH=$root/dotnet:$PATH DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE PEFT_TEST_GPU=${PEFT_TEST_GPU:-0}
cd "$root/main" || exit 1
number=0
for filter in "$@"; do
    number=$((number + 1))
    dotnet exec "$root/vstest/vstest.console.dll" "$bin/$tests.dll" "--TestCaseFilter:$filter" "--logger:console;verbosity=normal" > "$out/$number.log" 2>&1 &
done
wait
tail -n 5 "$out"/*.log
