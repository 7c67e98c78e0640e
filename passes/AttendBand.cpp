//===- AttendBand.cpp - the rows of a table of distances for a tile of pairs -------------------===//
//
// Of TileAttend: the pairs of Q queries and K keys have Q + K - 1 distances, of which the last query takes
// the first K. Their rows, moved into the table, are one load:
//   %at = attn.iota %first : tensor<63xi32>        rel_at of the first query and the key Q - 1 before the first
//   %list = arith.maxsi (arith.minsi %at, %last), 0
//   %t = attn.load %table[%h, 0, 0] rows(%size) list(%list)
//
//===----------------------------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/AttendTiler.h"

using namespace mlir;
using namespace heddle::attn;

Value AttendTiler::band(Value k0) {
  int64_t width = Q + K - 1;
  Region &at = op.getRelAt(), &table = op.getRelRow();
  RegionCloner here(b, memory); // anew for each tile of keys
  for (auto [i, index] : llvm::enumerate(row))
    here.uniform(at.getArgument(i), index ? index : q0);
  Value back = indexConstant(b, loc, Q - 1);
  here.uniform(at.getArguments().back(), arith::SubIOp::create(b, loc, k0, back));
  Value distances = IotaOp::create(b, loc, vector(width), here.clone(at, b));
  std::optional<PlainRead> read =
      matchPlainRead(table, table.getArgument(row.size()), table.getArguments().back());
  assert(read && "rows of a table are read as they lie");
  RegionCloner cloner(once, memory);
  for (auto [i, index] : llvm::enumerate(row))
    cloner.uniform(table.getArgument(i), index ? index : q0);
  SmallVector<Value> indices;
  Value column = table.getArguments().back(), zero = indexConstant(b, loc, 0);
  for (auto [axis, subscript] : llvm::enumerate(read->subscripts))
    if (axis != read->rowAxis && subscript != column)
      indices.push_back(cloner.clone(subscript, once));
  indices.append({zero, zero});
  Value source = memory.withRows(read->tensor, read->rowAxis, /*column=*/true);
  auto type = cast<MemRefType>(source.getType());
  Value limit =
      memref::DimOp::create(once, loc, source, indexConstant(once, loc, type.getRank() - 2));
  Value last = arith::SubIOp::create(once, loc, limit, indexConstant(once, loc, 1));
  last = arith::IndexCastOp::create(once, loc, once.getI32Type(), last);
  Value most = tensor::SplatOp::create(b, loc, last, ArrayRef<int64_t>{width});
  auto least = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector(width), int32_t(0)));
  Value list = arith::MinSIOp::create(b, loc, distances, most);
  list = arith::MaxSIOp::create(b, loc, list, least);
  // The query has the scale, and no part of it belongs here.
  double scale = op.getScale().convertToDouble();
  SmallVector<int64_t> dynamic(indices.size(), ShapedType::kDynamic);
  return LoadOp::create(b, loc, tileType(b, {width, int64_t(op.getDepth())}), source, indices,
                        dynamic, limit, ValueRange{list}, b.getF64FloatAttr(1 / scale));
}
