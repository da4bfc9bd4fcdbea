#!/usr/bin/env bash
# Packs what tests need on a machine with a GPU and a PyTorch, but without the .NET SDK: the Release build of the tests named by PEFT_TESTS (Microsoft.ML.Peft.Tests), the .NET runtime and the test runner
# into OUT/dist.tar.xz, TorchSharp's native sources (a checkout of the version in Directory.Packages.props) into OUT/native.tar.xz, each further folder into OUT/NAME.tar.xz.
# usage: eng/gpu/pack.sh OUT TORCHSHARP_CHECKOUT [FOLDER_OF_SHARED_DATA...]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd) out=$(mkdir -p "$1" && cd "$1" && pwd) torchsharp=$2
shift 2
tests=test/${PEFT_TESTS:-Microsoft.ML.Peft.Tests}/bin/Release
stage=$(mktemp -d); trap 'rm -rf "$stage"' EXIT
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")") sdk=$(dotnet --version)
mkdir -p "$stage"/{dotnet/shared,vstest,"main/$tests"}
cp -r "$dotnet"/{dotnet,host} "$stage/dotnet/"
cp -r "$dotnet/shared/Microsoft.NETCore.App" "$stage/dotnet/shared/"
(cd "$dotnet/sdk/$sdk" && cp -r vstest.console.* Microsoft.TestPlatform.*.dll Microsoft.VisualStudio.TestPlatform.*.dll Newtonsoft.Json.dll datacollector.dll \
    Microsoft.Extensions.FileSystemGlobbing.dll Microsoft.Extensions.DependencyModel.dll Extensions "$stage/vstest/")
cp "$root/Extensions.sln" "$stage/main/"
(cd "$root/$tests" && tar c --exclude='*.xml' --exclude='libtorch*' --exclude='libc10*' --exclude='libgomp*' --exclude='net10.0/??' --exclude='*.dbg' \
    --exclude='net10.0/runtimes/win*' --exclude='net10.0/runtimes/osx*' net10.0) | tar x -C "$stage/main/$tests"
(cd "$root/$tests/net10.0/runtimes/linux-x64/native" && ls libtorch* libc10* libgomp*) > "$stage/main/$tests/net10.0/missing.txt"
tar c -C "$stage" . | xz -T0 -9e > "$out/dist.tar.xz"
tar c -C "$torchsharp" src/Native | xz > "$out/native.tar.xz"
for folder in "$@"; do tar c -C "$root/.." "shared/$folder" | xz -T0 > "$out/${folder//\//-}.tar.xz"; done
ls -la "$out"
