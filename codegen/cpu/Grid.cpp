//===- Grid.cpp - the items of a stage ---------------------------------------------------------===//
//
// An item is a point of a grid, or, in a grid of elements, some rows of the last axis: few enough to share
// among threads, enough to vectorise.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/TileRegions.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;
using namespace heddle::cpu;

static constexpr int64_t rowsOfItem = 16, elementsOfItem = 1024;

static bool isOfElements(scf::ForallOp grid) {
  auto kind = grid->getAttrOfType<StringAttr>(AttnDialect::LoopsAttrHelper::getNameStr());
  return kind && kind.getValue() == "elements";
}

Values Emitter::sizesOf(scf::ForallOp grid) {
  Values sizes;
  for (OpFoldResult size : grid.getMixedUpperBound())
    sizes.push_back(isa<Value>(size) ? scalars.lookup(cast<Value>(size))
                                     : index(*getConstantIntValue(size)));
  return sizes;
}

/// How many points of each axis an item takes: `step` of the axis `cut`, all of those behind it.
static std::pair<unsigned, int64_t> itemOf(scf::ForallOp grid) {
  unsigned rank = grid.getRank();
  if (!isOfElements(grid))
    return {rank, 1};
  return rank > 1 ? std::pair(rank - 2, rowsOfItem) : std::pair(0u, elementsOfItem);
}

static Value ceilDivide(ImplicitLocOpBuilder &b, Value size, int64_t by) {
  Value up = arith::AddIOp::create(b, size, arith::ConstantIndexOp::create(b, by - 1));
  return arith::DivUIOp::create(b, up, arith::ConstantIndexOp::create(b, by));
}

LogicalResult Emitter::emitGrid(func::FuncOp source, scf::ForallOp grid) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto function =
      openFunction(source.getName() + suffix + "_grid" + Twine(stages), {pointer, pointer}, {});
  unpackSlots(source, function.getArgument(0));
  if (failed(emitPrologue(source, Value())))
    return failure();
  // One number of items is all a caller needs; it stands first, the other two are 1. An empty axis that
  // items do not count empties the grid too.
  auto [cut, step] = itemOf(grid);
  Value count = index(1);
  for (auto [axis, size] : llvm::enumerate(sizesOf(grid))) {
    Value items = axis == cut ? ceilDivide(b, size, step) : size;
    if (axis > cut)
      items = arith::MinUIOp::create(b, size, index(1));
    count = arith::MulIOp::create(b, count, items);
  }
  Values three = {count, index(1), index(1)};
  for (auto [i, size] : llvm::enumerate(three)) {
    Value wide = arith::IndexCastOp::create(b, b.getI64Type(), size);
    LLVM::StoreOp::create(b, wide, address(function.getArgument(1), index(i), b.getI64Type()), 8);
  }
  func::ReturnOp::create(b);
  return success();
}

/// Binds the indices before the cut by the item's number, the others by loops.
LogicalResult Emitter::emitPoints(scf::ForallOp grid, Value number) {
  Values sizes = sizesOf(grid);
  unsigned cut;
  int64_t step;
  std::tie(cut, step) = itemOf(grid);
  Value first;
  for (unsigned i = std::min<unsigned>(cut + 1, sizes.size());
       i-- > 0;) { // the last one runs fastest
    Value size = i == cut ? ceilDivide(b, sizes[i], step) : sizes[i];
    Value position = i ? arith::RemUIOp::create(b, number, size).getResult() : number;
    if (i == cut)
      first = times(position, step);
    else
      scalars.map(grid.getInductionVars()[i], position);
    if (i)
      number = arith::DivUIOp::create(b, number, size);
  }
  bool good = true;
  std::function<void(unsigned)> nest = [&](unsigned axis) {
    if (axis == sizes.size()) {
      good = succeeded(emitBlock(*grid.getBody()));
      return;
    }
    Value lo = axis == cut ? first : index(0), hi = sizes[axis];
    if (axis == cut)
      hi = arith::MinUIOp::create(b, plus(first, step), hi);
    loop(lo, hi, 1, {}, [&](Value position, ValueRange) {
      scalars.map(grid.getInductionVars()[axis], position);
      nest(axis + 1);
      return Values();
    });
  };
  nest(cut);
  return success(good);
}

LogicalResult Emitter::emitItem(func::FuncOp source, scf::ForallOp grid) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto function = openFunction(source.getName() + suffix + "_item" + Twine(stages),
                               {pointer, b.getI64Type(), pointer, pointer}, {});
  int64_t before = scratch;
  scratch = 0; // stages follow each other: they share an arena
  scratchBase = function.getArgument(2);
  // An anchor for what is claimed of the scratch: it stands before everything.
  scratchBase =
      LLVM::GEPOp::create(b, pointer, b.getI8Type(), scratchBase, ArrayRef<LLVM::GEPArg>{0});
  unpackSlots(source, function.getArgument(0));
  if (failed(emitPrologue(source, function.getArgument(3))))
    return failure();
  for (Operation &op : source.front().without_terminator())
    if (touchesTiles(op) && failed(emitOp(&op)))
      return failure();
  Value number = arith::IndexCastOp::create(b, b.getIndexType(), function.getArgument(1));
  if (failed(emitPoints(grid, number)))
    return failure();
  func::ReturnOp::create(b);
  scratch = std::max(scratch, before);
  return success();
}
