//===- Transpose.cpp - blocks of 8 by 8 between rows of memory and strips ----------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::cpu;

/// Eight vectors of eight, rows to columns, in 24 shuffles.
static void transpose8(ImplicitLocOpBuilder &b, Values &x) {
  auto shuffle = [&](Value lo, Value hi, ArrayRef<int64_t> mask) -> Value {
    return vector::ShuffleOp::create(b, lo, hi, mask);
  };
  Values y(8);
  for (int i = 0; i < 8; i += 2) { // pairs of elements
    y[i] = shuffle(x[i], x[i + 1], {0, 8, 1, 9, 4, 12, 5, 13});
    y[i + 1] = shuffle(x[i], x[i + 1], {2, 10, 3, 11, 6, 14, 7, 15});
  }
  for (int i = 0; i < 8; i += 4) // pairs of pairs
    for (int j = 0; j < 2; ++j) {
      x[i + 2 * j] = shuffle(y[i + j], y[i + j + 2], {0, 1, 8, 9, 4, 5, 12, 13});
      x[i + 2 * j + 1] = shuffle(y[i + j], y[i + j + 2], {2, 3, 10, 11, 6, 7, 14, 15});
    }
  for (int i = 0; i < 4; ++i) { // halves
    y[i] = shuffle(x[i], x[i + 4], {0, 1, 2, 3, 8, 9, 10, 11});
    y[i + 4] = shuffle(x[i], x[i + 4], {4, 5, 6, 7, 12, 13, 14, 15});
  }
  x = y;
}

static Value scaledBy(ImplicitLocOpBuilder &b, Value i, Value stride) {
  return arith::MulIOp::create(b, i, stride);
}

/// Eight rows of memory to eight columns of a strip; widened and scaled.
void Emitter::transposeIn(Value from, Value fromStride, Type element, Value to, Value toStride,
                          Value scale) {
  Type to32 = isa<FloatType>(element) ? f32 : i32;
  auto type = VectorType::get(8, element);
  Values x;
  for (int i = 0; i < 8; ++i) {
    Value at = address(from, scaledBy(b, index(i), fromStride), element);
    Value row = LLVM::LoadOp::create(b, type, at, element.getIntOrFloatBitWidth() / 8);
    x.push_back(scaled(widen(row, to32), scale));
  }
  transpose8(b, x);
  for (int i = 0; i < 8; ++i)
    LLVM::StoreOp::create(b, x[i], address(to, scaledBy(b, index(i), toStride), to32), 4);
}

/// Eight columns of a strip to eight rows of memory; scaled and narrowed.
void Emitter::transposeOut(Value from, Value fromStride, Value to, Value toStride, Type element,
                           Value scale) {
  Type from32 = isa<FloatType>(element) ? f32 : i32;
  auto type = VectorType::get(8, from32);
  Values x;
  for (int i = 0; i < 8; ++i)
    x.push_back(
        LLVM::LoadOp::create(b, type, address(from, scaledBy(b, index(i), fromStride), from32), 4));
  transpose8(b, x);
  for (int i = 0; i < 8; ++i)
    LLVM::StoreOp::create(b, narrow(scaled(x[i], scale), element),
                          address(to, scaledBy(b, index(i), toStride), element),
                          element.getIntOrFloatBitWidth() / 8);
}
