//===- BenchCommand.cpp - heddle bench: a spec against the peak of this machine -----------------===//
//
// One thread is measured item by item, each slice of at most 0.6 ms between two witnesses (Witness.h): short
// items are grouped, and long ones cut where they come to another page of a tensor (Tripwires.h). A fraction is
// useful FLOP per second over the FMA peak of the same instruction set around the slice. With more threads
// whole calls are timed.
//
//===----------------------------------------------------------------------------------------===//

#include "Commands.h"
#include "Compiling.h"
#include "Kernel.h"
#include "Measure.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

/// Of all bytes of the tensors those in large pages.
static double shareInLargePages(ArrayRef<HostTensor> tensors) {
  auto report = MemoryBuffer::getFileAsStream("/proc/self/smaps_rollup");
  StringRef rest = report ? (*report)->getBuffer().split("AnonHugePages:").second.ltrim() : "";
  uint64_t kilobytes = 0;
  rest.consumeInteger(10, kilobytes);
  double all = 1;
  for (const HostTensor &tensor : tensors)
    all += double(tensor.bytes());
  return std::min(1.0, double(kilobytes) * 1024 / all);
}

static void print(const Input &input, const Measurement &m, int64_t threads, double largePages,
                  bool asJson) {
  bool measurable = m.counted >= Measurement::enough;
  if (asJson) {
    json::OStream os(outs());
    os.object([&] {
      os.attribute("spec", input.spec.name);
      os.attribute("target", input.targets.front()->name);
      os.attribute("threads", threads);
      os.attribute("measurable", measurable);
      os.attribute("best_fraction", m.bestFraction);
      os.attribute("median_fraction", m.medianFraction);
      os.attribute("counted", m.counted);
      os.attribute("slices", m.slices);
      os.attribute("parts", m.parts);
      os.attribute("gflops", m.flops / 1e9);
      os.attribute("peak", m.peak / 1e9);
      os.attribute("flop", m.useful);
      os.attribute("exact", m.exact);
      os.attribute("seconds_per_call", m.seconds);
      os.attribute("large_pages", largePages);
    });
    outs() << "\n";
    return;
  }
  if (!measurable)
    outs() << formatv("{0}: not measurable now: {1} of {2} slices counted\n", input.spec.name,
                      m.counted, m.slices);
  else
    outs() << formatv(
        "{0} on {1}, {2} thread{3}: {10}{4:F1} GFLOP/s, {5:F3} of the FMA peak of {6:F1} "
        "(best {7:F3}; {8} of {9} slices counted)\n",
        input.spec.name, input.targets.front()->name, threads, threads == 1 ? "" : "s",
        m.flops / 1e9, m.medianFraction, m.peak / 1e9, m.bestFraction, m.counted, m.slices,
        m.exact ? "" : "at most (the mask drops pairs that are counted) ");
}

int heddle::runBench(const opt::InputArgList &args) {
  int code;
  std::optional<Input> input = readInput(args, /*shapeFixes=*/true, code);
  if (!input)
    return code;
  std::optional<int64_t> threads = parseInteger(args, OPT_threads, 1, 1),
                         seed = parseInteger(args, OPT_seed, 0, 0),
                         seconds = parseInteger(args, OPT_seconds, 3, 1);
  if (!threads || !seed || !seconds)
    return exitUsage;
  const TargetInfo &target = *input->targets.front();
  if (target.kind != TargetKind::Cpu) {
    printError("bench times a CPU; " + Twine(target.name) +
               " needs a GPU, and the emulator has no clock");
    return exitUsage;
  }
  std::string fault;
  std::optional<ValueMap> sizes =
      input->spec.resolveSizes(input->shape, /*useExample=*/true, &fault);
  std::optional<std::vector<HostTensor>> tensors;
  if (sizes)
    tensors = createTensors(input->spec, *sizes, Layout::Contiguous, int64_t(16) << 30, fault,
                            args.hasArg(OPT_large_pages));
  bool filled = tensors.has_value();
  for (size_t i = 0; filled && i < tensors->size(); ++i)
    if ((*tensors)[i].spec.isInput())
      filled = fillRandom((*tensors)[i], *sizes, *seed, fault);
  if (!filled) {
    printError(fault);
    return exitUsage;
  }
  CompileOptions options = compileOptions(args, *input);
  options.targets = {&target};
  options.sizes = &*sizes;
  std::optional<Library> library = compileSpec(input->spec, options, fault);
  if (!library)
    return errs() << fault, exitSpec;
  Expected<std::unique_ptr<Kernel>> kernel = Kernel::load(*library);
  if (!kernel)
    return reportFailure(kernel.takeError());
  (*kernel)->threads = int32_t(*threads);
  Expected<Measurement> measured =
      measure(**kernel, input->spec, *tensors, *sizes, target, double(*seconds));
  if (!measured)
    return reportFailure(measured.takeError());
  print(*input, *measured, *threads, shareInLargePages(*tensors), args.hasArg(OPT_json));
  return exitOk;
}
