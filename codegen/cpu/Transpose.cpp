//===- Transpose.cpp - blocks of 8 by 8 between rows of memory and strips ----------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::cpu;

/// The columns of a block of 8 by 8 as vectors of eight. `half` gives four elements of a row from a column on: they
/// meet in a vector when they are read, so that 16 shuffles are left.
static Values columnsOf(ImplicitLocOpBuilder &b, function_ref<Value(int row, int col)> half) {
  auto shuffle = [&](Value lo, Value hi, ArrayRef<int64_t> mask) -> Value {
    return vector::ShuffleOp::create(b, lo, hi, mask);
  };
  Values columns;
  for (int col : {0, 4}) {
    Values x, y;
    for (int row = 0; row < 4; ++row)
      x.push_back(shuffle(half(row, col), half(row + 4, col), {0, 1, 2, 3, 4, 5, 6, 7}));
    for (int row : {0, 2}) { // pairs of elements
      y.push_back(shuffle(x[row], x[row + 1], {0, 8, 1, 9, 4, 12, 5, 13}));
      y.push_back(shuffle(x[row], x[row + 1], {2, 10, 3, 11, 6, 14, 7, 15}));
    }
    for (int i : {0, 1}) { // pairs of pairs
      columns.push_back(shuffle(y[i], y[i + 2], {0, 1, 8, 9, 4, 5, 12, 13}));
      columns.push_back(shuffle(y[i], y[i + 2], {2, 3, 10, 11, 6, 7, 14, 15}));
    }
  }
  return columns;
}

static Value scaledBy(ImplicitLocOpBuilder &b, Value i, Value stride) {
  return arith::MulIOp::create(b, i, stride);
}

/// Eight rows of memory to eight columns of a strip; widened and scaled.
void Emitter::transposeIn(Value from, Value fromStride, Type element, Value to, Value toStride,
                          Value scale) {
  Type to32 = isa<FloatType>(element) ? f32 : i32;
  auto type = VectorType::get(4, element);
  Values columns = columnsOf(b, [&](int row, int col) {
    Value at = address(from, plus(scaledBy(b, index(row), fromStride), col), element);
    Value four = LLVM::LoadOp::create(b, type, at, element.getIntOrFloatBitWidth() / 8);
    return widen(four, to32);
  });
  for (auto [i, column] : llvm::enumerate(columns))
    LLVM::StoreOp::create(b, scaled(column, scale),
                          address(to, scaledBy(b, index(i), toStride), to32), 4);
}

/// Eight columns of a strip to eight rows of memory; scaled and narrowed.
void Emitter::transposeOut(Value from, Value fromStride, Value to, Value toStride, Type element,
                           Value scale) {
  Type from32 = isa<FloatType>(element) ? f32 : i32;
  auto type = VectorType::get(4, from32);
  Values rows = columnsOf(b, [&](int row, int col) -> Value {
    Value at = address(from, plus(scaledBy(b, index(row), fromStride), col), from32);
    return LLVM::LoadOp::create(b, type, at, 4);
  });
  for (auto [i, row] : llvm::enumerate(rows))
    LLVM::StoreOp::create(b, narrow(scaled(row, scale), element),
                          address(to, scaledBy(b, index(i), toStride), element),
                          element.getIntOrFloatBitWidth() / 8);
}
