//===- Shear.cpp - a band as a tile ------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

/// In a strip lane i of a register wants what lies i columns before lane 0's. Each power of two is one pass
/// in place, from the last column down, in which the lanes whose number has that bit take their element
/// from so many columns before. Then whole registers lie where they are copied from.
LogicalResult Emitter::emitShear(ShearOp op) {
  materialise(op.getTile());
  const Storage band = of(op.getTile());
  Storage result = allocate(op.getResult());
  storages[op.getResult()] = result;
  if (!band.width || band.rows != band.width)
    return op.emitError("a band that is not one strip cannot be compiled for a CPU");
  for (int64_t power = 1; power < lanes; power *= 2) {
    SmallVector<bool> bits;
    for (int64_t lane = 0; lane < lanes; ++lane)
      bits.push_back(lane & power);
    auto type = VectorType::get(lanes, b.getI1Type());
    Value taken = arith::ConstantOp::create(b, DenseElementsAttr::get(type, bits));
    loop(index(0), index(band.cols - power), 1, {}, [&](Value n, ValueRange) {
      Value column = arith::SubIOp::create(b, index(band.cols - 1), n);
      for (int64_t v = 0; v < band.pitch; v += lanes) {
        Value to = plus(times(column, band.pitch), v);
        Value from = plus(to, -power * band.pitch);
        Value x = arith::SelectOp::create(b, taken, loadVector(band.base, from, band.element),
                                          loadVector(band.base, to, band.element));
        storeVector(x, band.base, to);
      }
      return Values();
    });
  }
  loop(index(0), index(result.cols), 1, {}, [&](Value c, ValueRange) {
    for (int64_t v = 0; v < band.pitch; v += lanes) {
      Value from = plus(times(plus(c, result.rows - 1 - v), band.pitch), v);
      storeVector(loadVector(band.base, from, band.element), result.base,
                  plus(times(c, result.pitch), v));
    }
    return Values();
  });
  return success();
}
