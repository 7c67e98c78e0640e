//===- heddle-opt.cpp - mlir-opt with our dialect and passes -----------------------------------===//

#include "dialect/AttnOps.h"
#include "dialect/interpreter/InterpretPass.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

int main(int argc, char **argv) {
  mlir::registerTransformsPasses(); // canonicalize, cse, loop-invariant-code-motion
  heddle::attn::registerDropFullMask();
  heddle::attn::registerLowerSparsity();
  heddle::attn::registerPeelTiles();
  heddle::attn::registerHoistReads();
  heddle::attn::registerPipelineTiles();
  heddle::attn::registerCutProducts();
  heddle::attn::registerSplitIntraInter();
  heddle::attn::registerTileRecur();
  heddle::attn::registerTileAttend();
  heddle::attn::registerChooseSchedule();
  heddle::attn::registerFoldScale();
  heddle::attn::registerCheckTileLevel();
  heddle::attn::registerMapToCpu();
  heddle::attn::registerInterpret();
  heddle::attn::registerMapToGpu();
  mlir::DialectRegistry registry;
  registry.insert<heddle::attn::AttnDialect, mlir::affine::AffineDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Heddle's pass driver\n", registry));
}
