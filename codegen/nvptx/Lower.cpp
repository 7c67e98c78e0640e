//===- Lower.cpp - what the emitter built, to the LLVM dialect ---------------------------------===//
//
// No libdevice: exp and log are the machine's base-2 instructions or polynomials, all else is formulas on
// them.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/LowerToPtx.h"
#include "codegen/nvptx/Emitter.h"
#include "codegen/nvptx/Exp.h"
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

/// math.log2 -> lg2, math.log -> ln 2 lg2(x). math.exp2 and math.exp with the fast-math flag `afn` -> ex2,
/// whose error cancels in the quotient of a softmax; without it -> Exp.h.
template <typename OpT> struct BaseTwo : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    constexpr bool isExp = std::is_same_v<OpT, math::ExpOp>,
                   isExp2 = std::is_same_v<OpT, math::Exp2Op>;
    Location loc = op.getLoc();
    if (!op.getType().isF32())
      return failure();
    auto scaled = [&](Value x, double factor) -> Value {
      Value by = arith::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(float(factor)));
      return arith::MulFOp::create(rewriter, loc, x, by);
    };
    bool approximate = bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn);
    Value x = op.getOperand(), y;
    if (isExp || isExp2)
      y = !approximate ? nvptx::preciseExp(rewriter, loc, x, isExp)
          : isExp      ? nvptx::exp2Approx(rewriter, loc, scaled(x, 1.4426950408889634))
                       : nvptx::exp2Approx(rewriter, loc, x);
    else if constexpr (std::is_same_v<OpT, math::Log2Op>)
      y = nvptx::log2Approx(rewriter, loc, x);
    else
      y = scaled(nvptx::log2Approx(rewriter, loc, x), 0.69314718055994531);
    rewriter.replaceOp(op, y);
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
    patterns.add<BaseTwo<math::Exp2Op>, BaseTwo<math::ExpOp>, BaseTwo<math::Log2Op>,
                 BaseTwo<math::LogOp>>(context, first);
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

static func::FuncOp onlyFunction(ModuleOp mapped) {
  auto functions = llvm::to_vector(mapped.getOps<func::FuncOp>());
  if (functions.size() == 1)
    return functions.front();
  mapped.emitError("expected one function, got ") << functions.size();
  return {};
}

OwningOpRef<ModuleOp> heddle::lowerToPtx(ModuleOp mapped, const TargetInfo &target,
                                         StringRef suffix, std::vector<PtxStage> &stages) {
  loadDialects(mapped.getContext());
  func::FuncOp function = onlyFunction(mapped);
  if (!function || failed(checkMapped(function)))
    return nullptr;
  auto schedule = function->getAttrOfType<attn::ScheduleAttr>(
      attn::AttnDialect::ScheduleAttrHelper::getNameStr());
  if (!schedule || !schedule.getGpu())
    return function.emitError("expected a #attn.schedule for a GPU on the function"), nullptr;
  int64_t threads = schedule.getGpu().getThreads();
  if (threads < 1 || threads > 1024)
    return function.emitError("expected 1 to 1024 threads in a block, got ") << threads, nullptr;
  OwningOpRef<ModuleOp> module = ModuleOp::create(mapped.getLoc());
  nvptx::Emitter emitter(*module, &target, threads, suffix);
  if (failed(emitter.emit(function, stages)) || failed(finish(*module)))
    return nullptr;
  nvptx::markKernels(*module, threads);
  return module;
}

OwningOpRef<ModuleOp> heddle::lowerLaunches(ModuleOp mapped, StringRef suffix,
                                            const std::vector<PtxStage> &stages) {
  loadDialects(mapped.getContext());
  func::FuncOp function = onlyFunction(mapped);
  if (!function)
    return nullptr;
  OwningOpRef<ModuleOp> module = ModuleOp::create(mapped.getLoc());
  nvptx::Emitter emitter(*module, nullptr, 1, suffix);
  if (failed(emitter.emitLaunches(function, stages)) || failed(finish(*module)))
    return nullptr;
  return module;
}
