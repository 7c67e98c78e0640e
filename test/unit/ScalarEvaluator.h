//===- ScalarEvaluator.h - runs scalar integer code, for tests of closed forms ----------------===//
//
// Straight-line affine, arith and memref.load on 64-bit integers. The tests' own, so that they do
// not depend on what they test.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_TEST_UNIT_SCALAREVALUATOR_H
#define HEDDLE_TEST_UNIT_SCALAREVALUATOR_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

struct ScalarEvaluator {
  llvm::DenseMap<mlir::Value, int64_t> values;
  llvm::DenseMap<mlir::Value, std::vector<int64_t>> memory; // one axis; indices are clamped

  /// Runs the ops of a block that it knows and that only use what has a value.
  void run(mlir::Block &block) {
    for (mlir::Operation &op : block)
      if (op.getNumResults() == 1 && op.getNumRegions() == 0)
        evaluate(op);
  }

private:
  int64_t at(mlir::Operation &op, unsigned i) { return values.at(op.getOperand(i)); }

  static bool compare(mlir::arith::CmpIPredicate predicate, int64_t a, int64_t b) {
    using Predicate = mlir::arith::CmpIPredicate;
    switch (predicate) {
    case Predicate::eq:
      return a == b;
    case Predicate::ne:
      return a != b;
    case Predicate::slt:
      return a < b;
    case Predicate::sle:
      return a <= b;
    case Predicate::sgt:
      return a > b;
    case Predicate::sge:
      return a >= b;
    case Predicate::ult:
      return uint64_t(a) < uint64_t(b);
    case Predicate::ule:
      return uint64_t(a) <= uint64_t(b);
    case Predicate::ugt:
      return uint64_t(a) > uint64_t(b);
    case Predicate::uge:
      return uint64_t(a) >= uint64_t(b);
    }
    return false;
  }

  void evaluateMap(mlir::Operation &op, mlir::AffineMap map, bool isMin) {
    llvm::SmallVector<mlir::Attribute> operands;
    mlir::Builder b(op.getContext());
    for (mlir::Value operand : op.getOperands())
      operands.push_back(b.getIndexAttr(values.at(operand)));
    llvm::SmallVector<mlir::Attribute> results;
    if (failed(map.constantFold(operands, results)))
      llvm::report_fatal_error("a map does not fold");
    std::optional<int64_t> best;
    for (mlir::Attribute result : results) {
      int64_t value = mlir::cast<mlir::IntegerAttr>(result).getInt();
      best = !best ? value : isMin ? std::min(*best, value) : std::max(*best, value);
    }
    values[op.getResult(0)] = *best;
  }

  void evaluate(mlir::Operation &op) {
    using namespace mlir;
    using namespace mlir::arith;
    APInt constant;
    int64_t r = 0;
    if (matchPattern(op.getResult(0), m_ConstantInt(&constant)))
      r = op.getResult(0).getType().isInteger(1) ? !constant.isZero() : constant.getSExtValue();
    else if (auto min = dyn_cast<affine::AffineMinOp>(op))
      return evaluateMap(op, min.getMap(), true);
    else if (auto max = dyn_cast<affine::AffineMaxOp>(op))
      return evaluateMap(op, max.getMap(), false);
    else if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
      return evaluateMap(op, apply.getAffineMap(), false);
    else if (auto cmp = dyn_cast<CmpIOp>(op))
      r = compare(cmp.getPredicate(), at(op, 0), at(op, 1));
    else if (isa<SelectOp>(op))
      r = at(op, 0) ? at(op, 1) : at(op, 2);
    else if (auto load = dyn_cast<memref::LoadOp>(op)) {
      const std::vector<int64_t> &all = memory.at(load.getMemRef());
      r = all[std::clamp<int64_t>(values.at(load.getIndices()[0]), 0, all.size() - 1)];
    } else if (isa<AddIOp>(op))
      r = at(op, 0) + at(op, 1);
    else if (isa<SubIOp>(op))
      r = at(op, 0) - at(op, 1);
    else if (isa<MulIOp>(op))
      r = at(op, 0) * at(op, 1);
    else if (isa<MinSIOp>(op))
      r = std::min(at(op, 0), at(op, 1));
    else if (isa<MaxSIOp>(op))
      r = std::max(at(op, 0), at(op, 1));
    else if (isa<AndIOp>(op))
      r = at(op, 0) & at(op, 1);
    else if (isa<OrIOp>(op))
      r = at(op, 0) | at(op, 1);
    else if (isa<XOrIOp>(op))
      r = at(op, 0) ^ at(op, 1);
    else if (isa<FloorDivSIOp>(op))
      r = llvm::divideFloorSigned(at(op, 0), at(op, 1));
    else if (isa<DivSIOp>(op))
      r = at(op, 0) / at(op, 1);
    else if (isa<RemSIOp>(op))
      r = at(op, 0) % at(op, 1);
    else if (isa<IndexCastOp, IndexCastUIOp, ExtSIOp, ExtUIOp, TruncIOp>(op))
      r = at(op, 0);
    else
      llvm::report_fatal_error("the scalar evaluator does not know an op");
    values[op.getResult(0)] = r;
  }
};

#endif // HEDDLE_TEST_UNIT_SCALAREVALUATOR_H
