//===- Lower.cpp - what the emitter built, to the LLVM dialect ---------------------------------===//
//
// No libdevice: the weights of a softmax are the machine's ex2, all else is polynomials and formulas.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/KernelAbi.h"
#include "codegen/LowerToPtx.h"
#include "codegen/PreciseMath.h"
#include "codegen/nvptx/Emitter.h"
#include "codegen/nvptx/NvvmFacade.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
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

/// math.exp and math.exp2 with the fast-math flag `afn` -> ex2, whose error cancels in the quotient of a
/// softmax.
template <typename OpT> struct ApproximateExp : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    if (!op.getType().isF32() || !bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn))
      return failure();
    Value x = op.getOperand();
    if (std::is_same_v<OpT, math::ExpOp>) {
      Value factor =
          arith::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(1.44269502f));
      x = arith::MulFOp::create(rewriter, loc, x, factor);
    }
    rewriter.replaceOp(op, nvptx::exp2Approx(rewriter, loc, x));
    return success();
  }
};

struct ExpandMath : PassWrapper<ExpandMath, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)
  StringRef getArgument() const override { return "expand-math-nvptx"; }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    MLIRContext *context = &getContext();
    constexpr int first = 10;
    patterns.add<ApproximateExp<math::ExpOp>, ApproximateExp<math::Exp2Op>>(context, first);
    populatePreciseMath(patterns, /*keepApproximate=*/true, first);
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    math::populateExpansionPatterns(patterns, {"sinh", "cosh", "tan", "asinh", "acosh", "atanh",
                                               "fpowi", "powf", "ctlz", "round"});
    populateMathPolynomialApproximationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace

static void buildLowering(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(std::make_unique<ExpandMath>());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

static LogicalResult finish(ModuleOp module) {
  PassManager pm(module.getContext());
  buildLowering(pm);
  if (failed(pm.run(module)))
    return failure();
  // What a loop was annotated with stays on its back edge as a loose attribute, which is not translated.
  module.walk([](LLVM::BrOp branch) {
    if (auto annotation = branch->getAttrOfType<LLVM::LoopAnnotationAttr>("llvm.loop_annotation"))
      branch.setLoopAnnotationAttr(annotation);
  });
  WalkResult walk = module.walk([](Operation *op) {
    if (op->getDialect()->getNamespace() == "llvm" || isa<ModuleOp>(op))
      return WalkResult::advance();
    op->emitError("'") << op->getName() << "' cannot be compiled for a GPU";
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

static void loadDialects(MLIRContext *context) {
  context->loadDialect<affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect,
                       func::FuncDialect, LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect,
                       ub::UBDialect, vector::VectorDialect>();
}

/// Every op that makes tiles must have its homes.
static LogicalResult checkMapped(func::FuncOp function) {
  StringRef name = attn::AttnDialect::HomesAttrHelper::getNameStr();
  WalkResult walk = function.walk([&](Operation *op) {
    if (!llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>) ||
        op->getAttrOfType<ArrayAttr>(name))
      return WalkResult::advance();
    op->emitError("has no home; run attn-map-to-gpu first");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

/// Threads of a block; 0: an error was emitted. A step without tiles has no schedule.
static int64_t threadsOf(func::FuncOp function) {
  constexpr int64_t threadsOfLoops = 128;
  auto schedule = function->getAttrOfType<attn::ScheduleAttr>(
      attn::AttnDialect::ScheduleAttrHelper::getNameStr());
  bool loops = llvm::all_of(function.getOps<scf::ForallOp>(), nvptx::isLoops);
  if (!schedule && loops)
    return threadsOfLoops;
  if (!schedule || !schedule.getGpu())
    return function.emitError("expected a #attn.schedule for a GPU on the function"), 0;
  int64_t threads = schedule.getGpu().getThreads();
  if (threads < 1 || threads > 1024)
    return function.emitError("expected 1 to 1024 threads in a block, got ") << threads, 0;
  return threads;
}

OwningOpRef<ModuleOp> heddle::lowerToPtx(ModuleOp mapped, const TargetInfo &target,
                                         StringRef suffix, std::vector<PtxStage> &stages) {
  loadDialects(mapped.getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(mapped.getLoc());
  for (auto function : mapped.getOps<func::FuncOp>()) {
    int64_t threads = threadsOf(function);
    constexpr unsigned mostParameters = 4352 / 8; // bytes that PTX of any version takes
    if (unsigned count = KernelAbi::of(function.getArgumentTypes()).numSlots + 1;
        count > mostParameters)
      return function.emitError("the kernels have ")
                 << count << " parameters, PTX takes " << mostParameters
                 << ": use fewer tensors, or split the spec",
             nullptr;
    if (!threads || failed(checkMapped(function)))
      return nullptr;
    nvptx::Emitter emitter(*module, &target, threads, suffix);
    if (failed(emitter.emit(function, stages)))
      return nullptr;
  }
  if (failed(finish(*module)))
    return nullptr;
  for (const PtxStage &stage : stages)
    nvptx::markKernel(module->lookupSymbol(stage.entry), stage.threads);
  return module;
}

OwningOpRef<ModuleOp> heddle::lowerLaunches(ModuleOp mapped, StringRef suffix,
                                            const std::vector<PtxStage> &stages) {
  loadDialects(mapped.getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(mapped.getLoc());
  ArrayRef<PtxStage> left = stages;
  for (auto function : mapped.getOps<func::FuncOp>()) {
    size_t count = llvm::range_size(function.getOps<scf::ForallOp>());
    nvptx::Emitter emitter(*module, nullptr, 1, suffix);
    if (failed(emitter.emitLaunches(function, left.take_front(count))))
      return nullptr;
    left = left.drop_front(count);
  }
  if (failed(finish(*module)))
    return nullptr;
  return module;
}
