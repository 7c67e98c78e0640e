//===- Ahead.cpp - hints of what is read and written next --------------------------------------===//
//
// What is read once, or line by line of many rows, no machine foresees well: the queries of the next item and
// the place of its results. Keys stay near anyhow: the next item reads them again. All of it in one go waits
// for the machine's few buffers of misses. Where the kernel looks for its tiles itself an item has few of them,
// so that this wait would be seen: there each tile fetches a part, and a part of the keys beside the
// queries, for the items of a packed sequence read its keys only.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

// An item's rows are fetched by so many tiles: a short sequence has no more.
static constexpr int64_t parts = 8;
// Keys so many rows behind the queries are in L2 before the first query of their sequence comes.
static constexpr int64_t keyDistance = 256;

/// Rows `from` to `to`, counted from the first one ahead.
void Emitter::fetchRows(const Ahead &ahead, Value from, Value to) {
  const Access &access = ahead.access;
  int64_t line = 64 * 8 / access.element.getIntOrFloatBitWidth(); // elements
  loop(plus(from, ahead.distance), plus(to, ahead.distance), 1, {}, [&](Value r, ValueRange) {
    Value row = rowOf(access, r).first;
    for (int64_t c = 0; c < access.inside; c += line)
      LLVM::Prefetch::create(b, address(row, index(c), access.element), /*rw=*/ahead.write,
                             /*hint=*/2, /*cache=*/1);
    return Values();
  });
}

/// The rows behind these, which come in the next item or chunk.
void Emitter::lookAhead(const Access &access, int64_t rows, bool write) {
  if (access.lists.empty())
    fetchRows({access, rows, write}, index(0), index(rows));
}

bool Emitter::knows(ValueRange values) {
  return llvm::all_of(values, [&](Value value) { return scalars.contains(value); });
}
bool Emitter::knowsAllButRow(LoadOp op) {
  SmallVector<Value> others;
  SmallVector<OpFoldResult> indices =
      getMixedValues(op.getStaticIndices(), op.getIndices(), b.getContext());
  for (auto [axis, i] : llvm::enumerate(indices))
    if (auto value = dyn_cast<Value>(i); value && axis + 2 != indices.size())
      others.push_back(value);
  return knows(others);
}

/// What comes behind the rows that `op` loads: at once, or, where an item looks for its tiles, with the place
/// of its results and its share of the keys in the loops over them.
void Emitter::lookAhead(LoadOp op, const Access &access, int64_t rows) {
  auto grid = dyn_cast<scf::ForallOp>(op->getParentOp());
  auto looks = [&] {
    return grid->walk([](FilterOp) { return WalkResult::interrupt(); }).wasInterrupted();
  };
  if (!grid || !access.lists.empty() || !looks())
    return lookAhead(access, rows, /*write=*/false);
  if (!ahead.empty()) {
    if (rows == aheadRows)
      ahead.push_back({access, rows, /*write=*/false});
    return;
  }
  aheadRows = rows;
  ahead.push_back({access, rows, /*write=*/false});
  auto isTile = [&](auto other) {
    return other.getTile().getType().getRank() == 2 && other.getList().empty() &&
           knows(other.getLimit());
  };
  for (auto store : grid.getBody()->getOps<StoreOp>())
    if (isTile(store) && knows(store.getIndices()))
      ahead.push_back({accessOf(store), rows, /*write=*/true});
  SmallPtrSet<Value, 4> seen; // a loop may be peeled
  grid.getBody()->walk([&](LoadOp load) {
    if (isa<scf::ForOp>(load->getParentOp()) && isTile(load) && knowsAllButRow(load) &&
        seen.insert(load.getMemory()).second)
      ahead.push_back({accessOf(load, access.row0), keyDistance, /*write=*/false});
  });
}

/// In turn `number` of a loop its part, if the loop goes over tiles that the item looked for.
void Emitter::fetchPart(scf::ForOp source, Value number) {
  auto isFound = [](AtOp at) { return bool(at.getTiles().getDefiningOp<FilterOp>()); };
  if (ahead.empty() || llvm::none_of(source.getBody()->getOps<AtOp>(), isFound))
    return;
  int64_t size = llvm::divideCeil(aheadRows, parts);
  Value from = times(number, size);
  Value isLeft = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, from, index(aheadRows));
  auto branch = scf::IfOp::create(b, isLeft, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  for (const Ahead &one : ahead)
    fetchRows(one, from, plus(from, size));
}
