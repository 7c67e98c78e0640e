//===- CheckCommand.cpp - heddle check: what a spec means for a machine and a shape -------------===//

#include "Commands.h"
#include "Compiling.h"
#include "Work.h"
#include "codegen/LowerToCpu.h"
#include "codegen/Pipeline.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

namespace {
/// What is known of one variant without making code.
struct Report {
  Variant variant;
  std::vector<std::string> remarks; // on tiles and rewrites
  bool taken = false;
  Work work;
  int64_t workspace = -1; // bytes that the stages of a step share; -1: sizes are open
};

/// Bytes that steps hand on, if none shares memory with another.
int64_t temporaryBytes(const Spec &spec, const ValueMap &sizes) {
  int64_t bytes = 0;
  for (const SpecTensor *tensor : spec.temporaries()) {
    int64_t count = tensor->type == ExprType::Bool ? 1 : 4;
    for (const Extent &axis : tensor->axes)
      count *= evaluateConstant(*axis.size, sizes)->i;
    bytes += (count + 63) / 64 * 64;
  }
  return bytes;
}

/// With every size known the tensors in the workspace have static types.
int64_t sharedBytes(mlir::ModuleOp mapped, const Spec &spec, const ValueMap &sizes) {
  mlir::OwningOpRef<mlir::ModuleOp> copy(mapped.clone());
  for (auto function : copy->getOps<mlir::func::FuncOp>()) {
    mlir::OpBuilder b(function.getBody());
    for (auto [argument, size] : sizesOfArguments(function, spec, sizes))
      argument.replaceAllUsesWith(mlir::arith::ConstantIndexOp::create(b, function.getLoc(), size));
  }
  mlir::PassManager pm(copy->getContext());
  pm.addPass(mlir::createCanonicalizerPass());
  if (failed(pm.run(*copy)))
    return -1;
  int64_t most = 0; // steps follow each other
  for (auto function : copy->getOps<mlir::func::FuncOp>()) {
    int64_t bytes = 0;
    function.walk([&](mlir::memref::AllocOp alloc) {
      mlir::MemRefType type = alloc.getType();
      if (type.hasStaticShape())
        bytes += (type.getNumElements() * type.getElementTypeBitWidth() / 8 + 63) / 64 * 64;
    });
    most = std::max(most, bytes);
  }
  return most;
}

bool analyse(const Input &input, const CompileOptions &options,
             const std::optional<ValueMap> &sizes, Report &report, std::string &error) {
  std::unique_ptr<mlir::MLIRContext> context = createContext();
  const Variant &variant = report.variant;
  CompileOptions own = options;
  own.schedule = variant.wishes;
  auto tiled = compileUntil(*context, input.spec, *variant.target, own, "tile-attend", error);
  if (!tiled)
    return false;
  if (sizes)
    report.work = countWork(*tiled, input.spec, *sizes);
  own.remarks = &report.remarks;
  auto mapped = compileUntil(*context, input.spec, *variant.target, own,
                             passNames(*variant.target).back(), error);
  if (!mapped)
    return false;
  recordMapped(*mapped, report.variant);
  if (sizes)
    report.workspace = sharedBytes(*mapped, input.spec, *sizes);
  if (variant.target->kind == TargetKind::Cpu)
    if (std::optional<CpuStages> stages = measureCpu(*mapped, *variant.target))
      report.variant.scratchBytes = (stages->scratchBytes + 63) / 64 * 64;
  return true;
}

std::string guardText(const Spec &spec, const Variant &variant) {
  if (variant.guard < 0)
    return "any size";
  return formatv("{0} <= {1}", spec.dims[variant.guard].name, variant.last);
}

void print(const Spec &spec, const Report &report, int64_t temporaries) {
  const Variant &variant = report.variant;
  outs() << formatv("variant {0} ({1}){2}\n", variant.name(), guardText(spec, variant),
                    report.taken ? ", taken by this call" : "");
  if (!variant.schedule.empty())
    outs() << "  schedule   " << variant.schedule << "\n";
  if (report.work.hasTiles) {
    const attn::TileCounts &tiles = report.work.tiles;
    double all = report.work.queries * report.work.keys;
    outs() << formatv("  tiles      {0} x {1}: {2} full, {3} boundary, {4} empty{5}\n",
                      report.work.sizes.query, report.work.sizes.key, tiles.full, tiles.boundary,
                      tiles.empty, tiles.exact ? "" : " (at most; the mask depends on data)");
    outs() << formatv("  kept       {0:F1} % of the pairs of a head{1}\n",
                      all > 0 ? 100 * double(tiles.keptPairs) / all : 0.0,
                      tiles.exact ? "" : ", at most");
  }
  if (report.work.flop > 0)
    outs() << formatv("  work       {0:F3} GFLOP useful\n", report.work.flop / 1e9);
  if (report.workspace >= 0)
    outs() << formatv("  workspace  {0} shared by stages + {1} for each thread\n",
                      bytesText(double(report.workspace)), bytesText(double(variant.scratchBytes)));
  if (temporaries > 0)
    outs() << formatv("  between steps  {0} of the workspace, at most\n",
                      bytesText(double(temporaries)));
  if (variant.plain.empty())
    outs() << "  bodies     all fast\n";
  for (const std::string &reason : variant.plain)
    outs() << "  plain body " << reason << "\n";
}

void printJson(const Spec &spec, const std::vector<Report> &reports, int64_t temporaries) {
  json::OStream os(outs());
  os.object([&] {
    os.attribute("spec", spec.name);
    os.attribute("workspace_between_steps", temporaries);
    os.attributeArray("variants", [&] {
      for (const Report &report : reports)
        os.object([&] {
          os.attribute("name", report.variant.name());
          os.attribute("guard", guardText(spec, report.variant));
          os.attribute("taken", report.taken);
          os.attribute("schedule", report.variant.schedule);
          if (report.work.hasTiles) {
            os.attribute("full", report.work.tiles.full);
            os.attribute("boundary", report.work.tiles.boundary);
            os.attribute("empty", report.work.tiles.empty);
            os.attribute("kept_pairs", report.work.tiles.keptPairs);
            os.attribute("exact", report.work.tiles.exact);
          }
          os.attribute("flop", report.work.flop);
          os.attribute("workspace_shared", report.workspace);
          os.attribute("workspace_per_thread", report.variant.scratchBytes);
          os.attributeArray("plain", [&] {
            for (const std::string &reason : report.variant.plain)
              os.value(reason);
          });
        });
    });
  });
  outs() << "\n";
}
} // namespace

int heddle::runCheck(const opt::InputArgList &args) {
  int code;
  std::optional<Input> input = readInput(args, /*shapeFixes=*/true, code);
  if (!input)
    return code;
  std::string fault;
  std::optional<ValueMap> sizes =
      input->spec.resolveSizes(input->shape, /*useExample=*/true, &fault);
  if (!sizes && !input->shape.empty()) {
    printError(fault);
    return exitUsage;
  }
  std::vector<const TargetInfo *> targets(input->targets.begin(), input->targets.end());
  std::vector<Report> reports;
  bool taken = false;
  for (Variant &variant : planVariants(input->spec, targets, input->schedule)) {
    Report &report = reports.emplace_back();
    report.variant = variant;
    report.taken = sizes && !taken && takes(variant, input->spec, *sizes);
    taken |= report.taken;
    std::string error;
    if (!analyse(*input, compileOptions(args, *input), sizes, report, error)) {
      errs() << error;
      return exitSpec;
    }
    if (input->requireFast && !report.variant.plain.empty()) {
      printError(report.variant.name() + ": --require=fast, but " + report.variant.plain.front());
      return exitSpec;
    }
  }
  int64_t temporaries = sizes ? temporaryBytes(input->spec, *sizes) : 0;
  if (args.hasArg(OPT_json)) {
    printJson(input->spec, reports, temporaries);
    return exitOk;
  }
  outs() << input->spec.name << ": ok";
  if (sizes)
    for (const SpecDim &dim : input->spec.dims)
      outs() << (&dim == &input->spec.dims.front() ? ", " : " ") << dim.name << "="
             << sizes->at(dim.name).i;
  outs() << "\n";
  for (const Report &report : reports)
    print(input->spec, report, temporaries);
  if (!reports.empty()) // they are of the spec: the same for every variant
    for (const std::string &remark : reports.front().remarks)
      outs() << remark;
  return exitOk;
}
