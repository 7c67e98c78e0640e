//===- compile_time.cpp - how long a spec takes to compile in a process that is warm ------------===//
//
//   bench_compile SPEC.json TARGET DIM=SIZE ...     prints the best and the median of 15, in milliseconds
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/Compile.h"
#include "specs/reader/SpecReader.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <chrono>

using namespace llvm;
using namespace heddle;

int main(int argc, char **argv) {
  if (argc < 3) {
    errs() << "usage: bench_compile SPEC.json TARGET DIM=SIZE ...\n";
    return 2;
  }
  auto text = MemoryBuffer::getFile(argv[1]);
  const TargetInfo *target = lookupTarget(argv[2]);
  if (!text || !target) {
    errs() << "no such spec or target\n";
    return 2;
  }
  ReadOptions read;
  for (int i = 3; i < argc; ++i) {
    auto [name, size] = StringRef(argv[i]).split('=');
    size.getAsInteger(10, read.sizes[name.str()]);
  }
  std::vector<double> times;
  for (int round = 0; round < 16; ++round) {
    auto start = std::chrono::steady_clock::now();
    Diagnostics diagnostics;
    std::optional<Spec> spec = readSpec((*text)->getBuffer().str(), argv[1], read, diagnostics);
    CompileOptions options;
    options.targets = {target};
    std::string error;
    if (!spec || !compileSpec(*spec, options, error)) {
      errs() << diagnostics.print() << error;
      return 1;
    }
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (round) // the first one warms up
      times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  outs() << formatv("best {0:F1} ms, median {1:F1} ms\n", times.front(), times[times.size() / 2]);
  return 0;
}
