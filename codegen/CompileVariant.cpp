//===- CompileVariant.cpp - one variant's code, by kind of machine -----------------------------===//

#include "codegen/CompileVariant.h"
#include "codegen/EmitObject.h"
#include "codegen/EmitPtx.h"
#include "codegen/LowerToCpu.h"
#include "codegen/LowerToPtx.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace heddle;

static bool addObject(ModuleOp module, const TargetInfo &target, CodeKind kind, CodeForm form,
                      const std::string &name, Library &library, std::string &error) {
  llvm::Expected<std::string> object = emitCode(module, target, kind, form);
  if (!object) {
    error += "error: " + toString(object.takeError()) + "\n";
    return false;
  }
  library.objects.push_back({name + ".o", std::move(*object)});
  return true;
}

/// The functions of a module, each in a module of its own: the module itself if there is one only.
static std::vector<OwningOpRef<ModuleOp>> split(ModuleOp module) {
  std::vector<OwningOpRef<ModuleOp>> parts;
  for (auto function : module.getOps<func::FuncOp>()) {
    parts.push_back(ModuleOp::create(module.getLoc()));
    parts.back()->push_back(function.clone());
  }
  return parts;
}

bool heddle::compileForCpu(ModuleOp mapped, const CompileOptions &options, Variant &variant,
                           Library &library, std::string &error) {
  CodeKind kind = options.checkAccesses ? CodeKind::CheckedObject : CodeKind::Object;
  for (OwningOpRef<ModuleOp> &part : split(mapped)) {
    CpuStages stages;
    OwningOpRef<ModuleOp> lowered = lowerToCpu(*part, *variant.target, variant.suffix, stages);
    std::string name = (*part->getOps<func::FuncOp>().begin()).getName().str();
    CodeForm form = stages.loops ? CodeForm::Loops : CodeForm::Tiles;
    std::string file = name == library.name ? variant.name() : name + "." + variant.name();
    if (!lowered || !addObject(*lowered, *variant.target, kind, form, file, library, error))
      return false;
    std::string base = name + variant.suffix;
    variant.workspaces.push_back(base + "_workspace");
    variant.scratchBytes = std::max(variant.scratchBytes, (stages.scratchBytes + 63) / 64 * 64);
    for (unsigned i = 0; i < stages.count; ++i)
      variant.stages.push_back(
          {base + "_grid" + std::to_string(i), base + "_item" + std::to_string(i), "", 0, 0});
  }
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
  if (!launches || !addObject(*launches, baselineTarget(), CodeKind::Object, CodeForm::Tiles,
                              variant.name(), library, error))
    return false;
  for (auto function : mapped.getOps<func::FuncOp>())
    variant.workspaces.push_back((function.getName() + variant.suffix + "_workspace").str());
  for (const PtxStage &stage : stages)
    variant.stages.push_back({stage.grid, "", stage.entry, stage.threads, 0});
  variant.ptx = *ptx;
  library.ptx.push_back(
      {library.name + "." + variant.target->name.str() + ".ptx", std::move(*ptx)});
  return true;
}
