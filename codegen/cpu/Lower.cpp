//===- Lower.cpp - what the emitter built, to the LLVM dialect ---------------------------------===//

#include "codegen/LowerToCpu.h"
#include "codegen/PreciseMath.h"
#include "codegen/cpu/Emitter.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace heddle;

namespace {
/// Ours, PreciseMath.h. erf: MLIR's polynomial. What has none becomes calls of libm.
struct ExpandMath : PassWrapper<ExpandMath, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)
  StringRef getArgument() const override { return "expand-math"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, vector::VectorDialect>();
  }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    constexpr int first = 10;
    populatePreciseMath(patterns, /*keepApproximate=*/false, first);
    populateMathPolynomialApproximationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace

static void buildLowering(OpPassManager &pm) {
  pm.addPass(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(std::make_unique<ExpandMath>());
  pm.addPass(createLowerAffinePass());
  pm.addPass(arith::createArithExpandOpsPass({/*includeBf16=*/true}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

/// A step without tiles: every grid is one of loops.
static bool isLoops(func::FuncOp function) {
  return llvm::all_of(function.getOps<scf::ForallOp>(), [](scf::ForallOp grid) {
    return grid->hasAttr(attn::AttnDialect::LoopsAttrHelper::getNameStr());
  });
}

/// LLVM 22's loop vectoriser asks of each value whether it is uniform, along every path of the expression
/// (VPlan's isUniformAcrossVFsAndUFs): functions of functions of functions, whose polynomials use their
/// argument many times, take it minutes. Counts the paths of the deepest expression.
static double pathsOf(func::FuncOp function) {
  DenseMap<Value, double> paths;
  double most = 0;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    double sum = 0;
    for (Value operand : op->getOperands())
      sum += paths.lookup(operand);
    // How often each function's code uses its argument, about.
    double uses = isa<math::SinOp, math::CosOp, math::ErfOp, math::TanhOp>(op) ? 80
                  : isa<math::PowFOp>(op)                                      ? 600
                  : isa<math::MathDialect>(op->getDialect()) &&
                          !isa<math::AbsFOp, math::SqrtOp, math::FmaOp>(op)
                      ? 25
                      : 1;
    for (Value result : op->getResults())
      most = std::max(most, paths[result] = std::max(sum * uses, 1.0));
  });
  return most;
}

/// The functions of the stages, before they are lowered.
static OwningOpRef<ModuleOp> emit(ModuleOp mapped, const TargetInfo &target, StringRef suffix,
                                  CpuStages &stages) {
  mapped.getContext()
      ->loadDialect<affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect,
                    func::FuncDialect, LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect,
                    ub::UBDialect, vector::VectorDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(mapped.getLoc());
  for (auto function : mapped.getOps<func::FuncOp>()) {
    auto schedule = function->getAttrOfType<attn::ScheduleAttr>(
        attn::AttnDialect::ScheduleAttrHelper::getNameStr());
    bool loops = !schedule && isLoops(function);
    if (!loops && (!schedule || !schedule.getCpu()))
      return function.emitError("expected a #attn.schedule for a CPU on the function"), nullptr;
    cpu::Emitter emitter(*module, target, schedule, suffix);
    if (failed(emitter.emit(function)))
      return nullptr;
    stages.count += emitter.numStages();
    stages.scratchBytes = std::max(stages.scratchBytes, emitter.scratchBytes());
    constexpr double mostPaths = 1 << 14;
    stages.loops = loops && pathsOf(function) < mostPaths;
  }
  return module;
}

std::optional<CpuStages> heddle::measureCpu(ModuleOp mapped, const TargetInfo &target) {
  CpuStages stages;
  OwningOpRef<ModuleOp> module = emit(mapped, target, "", stages);
  return module ? std::optional(stages) : std::nullopt;
}

OwningOpRef<ModuleOp> heddle::lowerToCpu(ModuleOp mapped, const TargetInfo &target,
                                         StringRef suffix, CpuStages &stages) {
  stages = {};
  OwningOpRef<ModuleOp> module = emit(mapped, target, suffix, stages);
  if (!module)
    return nullptr;
  PassManager pm(mapped.getContext());
  pm.enableVerifier(
      false); // upstream's conversions, a third of their time; LLVM verifies what comes out
  buildLowering(pm);
  if (failed(pm.run(*module)))
    return nullptr;
  return module;
}
