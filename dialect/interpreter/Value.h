//===- Value.h - arrays of doubles, what SSA values hold while they are interpreted --------===//

#ifndef HEDDLE_DIALECT_INTERPRETER_VALUE_H
#define HEDDLE_DIALECT_INTERPRETER_VALUE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace heddle {

/// An array in row-major order. One of rank 0 is a scalar and stands for any shape, so that the
/// body of a map runs once, on whole tiles. Integers are doubles too, exact up to 2^53 and an error
/// beyond. True is 1.
struct Array {
  llvm::SmallVector<int64_t, 2> shape; // short: most are scalars, and there is one per SSA value
  llvm::SmallVector<double, 1> data;

  Array(double scalar = 0) : data(1, scalar) {}
  Array(llvm::ArrayRef<int64_t> shape, double value = 0)
      : shape(shape.begin(), shape.end()), data(count(shape), value) {}

  static size_t count(llvm::ArrayRef<int64_t> shape) {
    size_t n = 1;
    for (int64_t size : shape)
      n *= size;
    return n;
  }
  bool isScalar() const { return shape.empty(); }
  double at(size_t i) const { return data[data.size() == 1 ? 0 : i]; }
};

/// An array, the memory behind a memref or a tensor argument (shared by its views), or tile
/// numbers.
struct Slot {
  Array array;
  std::shared_ptr<Array> memory;
  llvm::SmallVector<unsigned, 0>
      permutation; // axis of the memory for each axis of a view; empty: itself
  llvm::SmallVector<int64_t, 0> tiles;
  int64_t numFull = 0;

  Slot(Array array = {}) : array(std::move(array)) {}
  explicit Slot(std::shared_ptr<Array> memory) : memory(std::move(memory)) {}
  /// Becomes a number, in place.
  Slot &operator=(double scalar) {
    array.shape.clear();
    array.data.assign(1, scalar);
    memory.reset();
    permutation.clear();
    tiles.clear();
    numFull = 0;
    return *this;
  }
};

} // namespace heddle

#endif // HEDDLE_DIALECT_INTERPRETER_VALUE_H
