//===- CompileVariant.cpp - one variant's code, by kind of machine -----------------------------===//

#include "codegen/CompileVariant.h"
#include "codegen/EmitObject.h"
#include "codegen/EmitPtx.h"
#include "codegen/LowerToCpu.h"
#include "codegen/LowerToPtx.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace heddle;

static std::string nameOf(ModuleOp mapped) {
  return (*mapped.getOps<func::FuncOp>().begin()).getName().str();
}

static bool addObject(ModuleOp module, const TargetInfo &target, CodeKind kind,
                      const std::string &name, Library &library, std::string &error) {
  llvm::Expected<std::string> object = emitCode(module, target, kind);
  if (!object) {
    error += "error: " + toString(object.takeError()) + "\n";
    return false;
  }
  library.objects.push_back({name + ".o", std::move(*object)});
  return true;
}

bool heddle::compileForCpu(ModuleOp mapped, const CompileOptions &options, Variant &variant,
                           Library &library, std::string &error) {
  CpuStages stages;
  OwningOpRef<ModuleOp> lowered = lowerToCpu(mapped, *variant.target, variant.suffix, stages);
  CodeKind kind = options.checkAccesses ? CodeKind::CheckedObject : CodeKind::Object;
  if (!lowered || !addObject(*lowered, *variant.target, kind, variant.name(), library, error))
    return false;
  std::string base = nameOf(mapped) + variant.suffix;
  variant.workspace = base + "_workspace";
  variant.scratchBytes = (stages.scratchBytes + 63) / 64 * 64;
  for (unsigned i = 0; i < stages.count; ++i)
    variant.stages.push_back(
        {base + "_grid" + std::to_string(i), base + "_item" + std::to_string(i), "", 0, 0});
  return true;
}

bool heddle::compileForGpu(ModuleOp mapped, Variant &variant, Library &library,
                           std::string &error) {
  std::vector<PtxStage> stages;
  OwningOpRef<ModuleOp> kernels = lowerToPtx(mapped, *variant.target, variant.suffix, stages);
  if (!kernels)
    return false;
  llvm::Expected<std::string> ptx = emitPtx(*kernels, *variant.target);
  if (!ptx) {
    error += "error: " + toString(ptx.takeError()) + "\n";
    return false;
  }
  OwningOpRef<ModuleOp> launches = lowerLaunches(mapped, variant.suffix, stages);
  if (!launches ||
      !addObject(*launches, baselineTarget(), CodeKind::Object, variant.name(), library, error))
    return false;
  std::string base = nameOf(mapped) + variant.suffix;
  variant.workspace = base + "_workspace";
  for (auto [i, stage] : llvm::enumerate(stages))
    variant.stages.push_back(
        {base + "_grid" + std::to_string(i), "", stage.entry, stage.threads, 0});
  variant.ptx = *ptx;
  library.ptx.push_back(
      {library.name + "." + variant.target->name.str() + ".ptx", std::move(*ptx)});
  return true;
}
