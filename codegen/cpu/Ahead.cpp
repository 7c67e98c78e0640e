//===- Ahead.cpp - hints of what is read and written next --------------------------------------===//
//
// What is read once, or line by line of many rows, no machine foresees well: the queries of the next item and
// the place of its results. Keys stay near anyhow: the next item reads them again. All of it in one go waits
// for the machine's few buffers of misses: products hide that if they fetch a line every few steps of their loops,
// a row of each tensor in turns: in bursts within the pages of one after the other memory takes longer.
//
// Two loops have so few products to an item's rows that the wait would be seen otherwise:
// - Where the kernel looks for its tiles itself an item has few of them. There each tile fetches a part, and a
//   part of the keys beside the queries, for the items of a packed sequence read its keys only.
// - A loop over the chunks of a recurrence reads and writes all it has once. Each fetches the one behind it.
//
// Plain loops that no other item repeats fetch row by row what comes some turns later.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

// An item's rows are fetched by so many tiles: a short sequence has no more.
static constexpr int64_t parts = 8;
// Keys so many rows behind the queries are in L2 before the first query of their sequence comes.
static constexpr int64_t keyDistance = 256;
// Steps of a product between two lines: so many that the lines come one by one also from memory, or from L3 only.
static constexpr int64_t longSpan = 4, shortSpan = 2;
// Steps of one turn of a loop, which fetches a row, and their multiplications.
static constexpr int64_t maxTurn = 16, maxWork = 192;

// Turns of a plain loop between a hint and its row: the shortest take 25 ns, and at 16 rows push each other out of L1.
static constexpr int64_t turnsAhead = 8;
// Lines of the longest row that is hinted at: each is an instruction in every turn.
static constexpr int64_t maxLines = 16;

/// Elements of a line of memory.
static int64_t lineOf(Type element) { return 64 * 8 / element.getIntOrFloatBitWidth(); }

int64_t heddle::cpu::linesOf(const NextRows &rows) {
  return llvm::divideCeil(rows.width, lineOf(rows.element));
}
void Emitter::fetchLine(const NextRows &rows, Value row, int64_t number) {
  Value place = address(row, index(number * lineOf(rows.element)), rows.element);
  LLVM::Prefetch::create(b, place, /*rw=*/rows.write, /*hint=*/rows.soon ? 3 : 2, /*cache=*/1);
}

Value Emitter::rowOf(const NextRows &rows, Value r) {
  return address(rows.place, arith::MulIOp::create(b, plus(r, rows.first), rows.stride),
                 rows.element);
}

/// So many rows, from `from` behind the first one ahead on.
NextRows Emitter::rowsAhead(const Ahead &ahead, Value from, int64_t count) {
  const Access &access = ahead.access;
  Value place = rowOf(access, plus(from, ahead.distance)).first;
  return {place, access.rowStride, access.element, count, access.inside, ahead.write};
}

/// At once.
void Emitter::fetchRows(const NextRows &rows) {
  loop(index(0), index(rows.count), 1, {}, [&](Value r, ValueRange) {
    Value row = rowOf(rows, r);
    for (int64_t number = 0; number < linesOf(rows); ++number)
      fetchLine(rows, row, number);
    return Values();
  });
}

/// The rows behind these, which come in the next item or chunk.
void Emitter::lookAhead(const Access &access, int64_t rows, bool write) {
  if (access.lists.empty())
    fetchRows(rowsAhead({access, rows, write}, index(0), rows));
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

/// Whether rows of a tile are at fixed distances from each other, and their number is known by now.
template <typename OpT> bool Emitter::isPlainTile(OpT op) {
  return op.getTile().getType().getRank() == 2 && op.getList().empty() && knows(op.getLimit());
}

/// What comes behind the rows that `op` loads: at once, or, with the place of results and a share of the keys, by
/// loops over tiles that an item looked for, or by the products of a chunk.
void Emitter::lookAhead(LoadOp op, const Access &access, int64_t rows) {
  Block *block = op->getBlock();
  if (!access.lists.empty())
    return;
  if (isa<scf::ForOp>(block->getParentOp()) && !block->getOps<ContractOp>().empty())
    return lookAheadOfChunk(op, access, rows);
  auto grid = dyn_cast<scf::ForallOp>(block->getParentOp());
  auto looks = [&] {
    return grid->walk([](FilterOp) { return WalkResult::interrupt(); }).wasInterrupted();
  };
  if (!grid || !looks())
    return lookAhead(access, rows, /*write=*/false);
  if (!ahead.empty()) {
    if (rows == aheadRows)
      ahead.push_back({access, rows, /*write=*/false});
    return;
  }
  aheadRows = rows;
  ahead.push_back({access, rows, /*write=*/false});
  for (auto store : block->getOps<StoreOp>())
    if (isPlainTile(store) && knows(store.getIndices()))
      ahead.push_back({accessOf(store), rows, /*write=*/true});
  SmallPtrSet<Value, 4> seen; // a loop may be peeled
  grid.getBody()->walk([&](LoadOp load) {
    if (isa<scf::ForOp>(load->getParentOp()) && isPlainTile(load) && knowsAllButRow(load) &&
        seen.insert(load.getMemory()).second)
      ahead.push_back({accessOf(load, access.row0), keyDistance, /*write=*/false});
  });
}

/// The rows behind a chunk, and with the first of them the place of the next results, which is needed last. Of those
/// behind them one line, so that the machine has looked up their page by then.
void Emitter::lookAheadOfChunk(LoadOp op, const Access &access, int64_t rows) {
  auto findPage = [&](const Access &access, int64_t rows, bool write) {
    NextRows behind = rowsAhead({access, 2 * rows, write}, index(0), 1);
    fetchLine(behind, behind.place, 0);
  };
  if (dueIn != op->getBlock()) {
    dueIn = op->getBlock();
    for (auto store : dueIn->getOps<StoreOp>())
      if (isPlainTile(store) && knows(store.getIndices()) && foreseen.insert(store).second) {
        int64_t count = store.getTile().getType().getDimSize(0);
        due.push_back(rowsAhead({accessOf(store), count, /*write=*/true}, index(0), count));
        findPage(accessOf(store), count, /*write=*/true);
      }
  }
  findPage(access, rows, /*write=*/false);
  auto *stores = llvm::find_if(due, [](const NextRows &one) { return one.write; });
  due.insert(stores, rowsAhead({access, rows, /*write=*/false}, index(0), rows));
}

/// In turn `number` of a loop its part, if the loop goes over tiles that the item looked for. Whole tiles have
/// products that take it along, results last, and after the last part that one again; in the others there may be
/// little left of their products.
void Emitter::fetchPart(scf::ForOp source, Value number) {
  auto isFound = [](AtOp at) { return bool(at.getTiles().getDefiningOp<FilterOp>()); };
  if (ahead.empty() || llvm::none_of(source.getBody()->getOps<AtOp>(), isFound))
    return;
  int64_t size = llvm::divideCeil(aheadRows, parts);
  auto strips = source.getBody()->getOps<StripsOp>();
  if (llvm::hasSingleElement(strips) && int64_t((*strips.begin()).getWidth()) == aheadRows &&
      llvm::none_of((*strips.begin()).getBody().getOps<ContractOp>(),
                    [](ContractOp product) { return !product.getSpan().empty(); })) {
    dueIn = &(*strips.begin()).getBody().front();
    Value part = arith::MinSIOp::create(b, number, index(parts - 1));
    for (bool write : {false, true})
      for (const Ahead &one : ahead)
        if (one.write == write)
          due.push_back(rowsAhead(one, times(part, size), size));
    return;
  }
  Value from = times(number, size);
  Value isLeft = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, from, index(aheadRows));
  auto branch = scf::IfOp::create(b, isLeft, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  for (const Ahead &one : ahead)
    fetchRows(rowsAhead(one, from, size));
}

//===--- By plain loops ----------------------------------------------------------------------===//

/// Whether `value` is the number of the turn of `loop`, or a sum or a difference of what was there before it and that.
static bool isOfTurn(Value value, scf::ForOp loop) {
  Value turn = loop.getInductionVar();
  if (value == turn)
    return true;
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op) && op->getOperand(1) == turn &&
         loop.isDefinedOutsideOfLoop(op->getOperand(0));
}

/// How many elements of the last axis a turn of `loop` touches, if a loop in it goes over them; else 0.
static int64_t widthOf(Value last, scf::ForOp loop) {
  auto argument = dyn_cast<BlockArgument>(last);
  auto inner = argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()) : nullptr;
  bool goesOver = inner && inner != loop && last == inner.getInductionVar();
  return goesOver ? getConstantIntValue(inner.getUpperBound()).value_or(0) : 0;
}

/// Whether these are of one row in each turn of `loop`, and of another one in every turn and item.
static bool isOwnRow(ValueRange indices, scf::ForOp loop) {
  if (llvm::count_if(indices, [&](Value i) { return isOfTurn(i, loop); }) != 1)
    return false;
  ValueRange rows = indices.drop_back(widthOf(indices.back(), loop) ? 1 : 0);
  if (!llvm::all_of(rows,
                    [&](Value i) { return isOfTurn(i, loop) || loop.isDefinedOutsideOfLoop(i); }))
    return false;
  auto grid = loop->getParentOfType<scf::ForallOp>();
  for (auto [size, number] : llvm::zip(grid.getMixedUpperBound(), grid.getInductionVars()))
    if (!isOneInteger(size) && !llvm::is_contained(rows, number))
      return false;
  // What a turn of a loop around it gave it.
  for (auto around = loop->getParentOfType<scf::ForOp>(); around;
       around = around->getParentOfType<scf::ForOp>())
    if (llvm::none_of(rows, [&](Value i) {
          Operation *sum = isOfTurn(i, loop) ? i.getDefiningOp() : nullptr;
          Value given = sum ? sum->getOperand(0) : i;
          return given != loop.getInductionVar() && !around.isDefinedOutsideOfLoop(given);
        }))
      return false;
  return true;
}

/// In a plain loop: hints of the rows of a turn to come. One without a loop in it would lose its vectors by them. A
/// register that is a line by itself is written without reading that line, unless it was hinted at.
void Emitter::fetchTurn(scf::ForOp loop) {
  if (!loop->getParentOfType<scf::ForallOp>() || getConstantIntValue(loop.getUpperBound()) ||
      loop.getBody()->getOps<scf::ForOp>().empty())
    return;
  Value turn = plus(scalars.lookup(loop.getInductionVar()), turnsAhead);
  auto place = [&](Value i) -> Value {
    if (!isOfTurn(i, loop))
      return scalars.lookup(i);
    Operation *sum = i.getDefiningOp();
    if (!sum)
      return turn;
    Value before = scalars.lookup(sum->getOperand(0));
    if (isa<arith::SubIOp>(sum))
      return arith::SubIOp::create(b, before, turn);
    return arith::AddIOp::create(b, before, turn);
  };
  SmallVector<Values> seen; // memory and rows
  auto fetch = [&](Value root, ValueRange indices, bool write) {
    auto found = memories.find(root);
    if (found == memories.end() || root.getDefiningOp<memref::AllocaOp>() || indices.empty() ||
        !isOwnRow(indices, loop))
      return;
    const Memory &memory = found->second;
    int64_t width = widthOf(indices.back(), loop);
    ValueRange rows = indices.drop_back(width ? 1 : 0);
    Values key{root};
    llvm::append_range(key, rows);
    Type element = memory.type.getElementType();
    NextRows next{/*place=*/{}, index(0),     element, 1, std::max<int64_t>(width, 1),
                  write,        /*soon=*/true};
    if (linesOf(next) > maxLines || llvm::is_contained(seen, key))
      return;
    seen.push_back(key);
    Value at = index(0);
    for (auto [i, stride] : llvm::zip(rows, memory.strides))
      at = plus(at, arith::MulIOp::create(b, place(i), stride));
    next.place = address(memory.base, at, element);
    for (int64_t number = 0; number < linesOf(next); ++number)
      fetchLine(next, next.place, number);
  };
  loop.getBody()->walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op))
      fetch(load.getMemRef(), load.getIndices(), /*write=*/false);
    else if (auto store = dyn_cast<memref::StoreOp>(op);
             store && lanes < lineOf(store.getMemRefType().getElementType()))
      fetch(store.getMemRef(), store.getIndices(), /*write=*/true);
  });
}

//===--- By products -------------------------------------------------------------------------===//

/// As much of what is due as a product fetches with at least so many steps between two lines.
static SharedRows shareOut(ArrayRef<NextRows> due, const ProductShape &shape, int64_t span) {
  SharedRows shared;
  int64_t lines = due.empty() ? 0 : linesOf(due[0]);
  if (!lines)
    return shared;
  int64_t longest = std::min(maxTurn, maxWork / shape.width);
  if (span * lines > std::min(shape.depth, longest))
    return shared;
  auto isAlike = [&](const NextRows &one) {
    return one.count == due[0].count && one.element == due[0].element && one.width == due[0].width;
  };
  ArrayRef<NextRows> alike = due.take_while(isAlike);
  int64_t entries = int64_t(alike.size());
  int64_t each = shape.depth / (span * lines);
  shared.count = std::min(shape.tiles * each / entries, due[0].count);
  if (!shared.count)
    return shared;
  shared.each = std::min(each, shared.count * entries);
  shared.rows = SmallVector<NextRows>(alike);
  shared.span = std::min(shape.depth / shared.each, longest) / lines;
  return shared;
}

/// What is still due then.
static void takeOff(SmallVector<NextRows> &due, const SharedRows &shared) {
  if (shared.rows.empty())
    return;
  auto taken = MutableArrayRef(due).take_front(shared.rows.size());
  if (taken[0].count == shared.count)
    return void(due.erase(taken.begin(), taken.end()));
  for (NextRows &rows : taken) {
    rows.first += shared.count;
    rows.count -= shared.count;
  }
}

/// What a product fetches of what is due in its block: slowly, if it and the products behind it fetch all so.
SharedRows Emitter::takeDue(ContractOp op) {
  if (dueIn != op->getBlock() || !op.getSpan().empty())
    return {};
  SmallVector<NextRows> left = due;
  for (Operation *next = op; next; next = next->getNextNode())
    if (auto product = dyn_cast<ContractOp>(next); product && product.getSpan().empty())
      takeOff(left, shareOut(left, shapeOf(product), longSpan));
  SharedRows shared = shareOut(due, shapeOf(op), left.empty() ? longSpan : shortSpan);
  takeOff(due, shared);
  if (!shared.rows.empty())
    listRows(shared);
  return shared;
}

/// The addresses of the rows, the entries in turns.
void Emitter::listRows(SharedRows &shared) {
  int64_t entries = int64_t(shared.rows.size());
  Type address64 = b.getI64Type();
  shared.list = allocateVector(2 * entries * shared.count, i32).base;
  Values places;
  for (const NextRows &rows : shared.rows)
    places.push_back(rowOf(rows, index(0)));
  loop(index(0), index(shared.count), 1, places, [&](Value r, ValueRange carried) {
    Values next;
    for (auto [i, rows] : llvm::enumerate(shared.rows)) {
      Value at = plus(times(r, entries), int64_t(i));
      LLVM::StoreOp::create(b, carried[i], address(shared.list, at, address64), 8);
      next.push_back(address(carried[i], rows.stride, rows.element));
    }
    return next;
  });
}

/// Where in the list those of a register tile begin: no tile goes beyond the last row.
Value Emitter::listOfTile(const SharedRows &shared, Value tile) {
  int64_t all = int64_t(shared.rows.size()) * shared.count;
  Value from = arith::MinSIOp::create(b, times(tile, shared.each), index(all - shared.each));
  return address(shared.list, from, b.getI64Type());
}

/// At the end of a block what no product of it could take.
void Emitter::payDue(Block &block) {
  if (dueIn != &block)
    return;
  llvm::for_each(due, [&](const NextRows &rows) { fetchRows(rows); });
  due.clear();
  dueIn = nullptr;
}
