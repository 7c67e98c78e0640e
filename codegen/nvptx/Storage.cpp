//===- Storage.cpp - homes of tiles, addresses, elements ---------------------------------------===//

#include "codegen/nvptx/Emitter.h"
#include "codegen/nvptx/NvvmFacade.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;
using namespace heddle::nvptx;

// Of a block's memory: enough for any element, and for lines of shared memory.
static constexpr int64_t alignment = 16;

//===--- Homes -------------------------------------------------------------------------------===//

Storage Emitter::shapeOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Storage storage;
  storage.rows = type.getDimSize(0);
  storage.cols = type.getRank() == 2 ? type.getDimSize(1) : 1;
  storage.element = type.getElementType();
  return storage;
}

/// Booleans take a byte, indices 64 bits.
Type Emitter::inMemory(Type element) {
  if (element.isInteger(1))
    return b.getI8Type();
  return element.isIndex() ? Type(b.getI64Type()) : element;
}

static int64_t bytesOf(Type inMemory) { return (inMemory.getIntOrFloatBitWidth() + 7) / 8; }

/// In shared memory while there is room, else in the slice of the workspace. Both grow like a stack: what
/// a region has taken is free again behind it.
Storage Emitter::allocateBlock(Value value) {
  Storage storage = shapeOf(value);
  storage.kind = Storage::Block;
  int64_t bytes = storage.rows * storage.cols * bytesOf(inMemory(storage.element));
  bytes = (bytes + alignment - 1) / alignment * alignment;
  bool fits = sharedUsed + bytes <= target->scratchBytes;
  int64_t &used = fits ? sharedUsed : sliceUsed, &most = fits ? sharedMost : sliceMost;
  Value at = index(used);
  used += bytes;
  most = std::max(most, used);
  storage.base = address(fits ? shared : slice, at, b.getI8Type());
  return storage;
}

/// Memory of this thread alone. It stands in the kernel's entry, so that loops take it once.
Value Emitter::takeLocal(int64_t count, Type element) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(anchor);
  Value size = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(count));
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::AllocaOp::create(b, pointer, inMemory(element), size, alignment);
}

Storage Emitter::allocateThread(Value value) {
  Storage storage = shapeOf(value);
  storage.kind = Storage::Thread;
  int64_t turns = (storage.rows + threads - 1) / threads;
  storage.base = takeLocal(turns * storage.cols, storage.element);
  return storage;
}

Storage Emitter::allocateRow(Value value) {
  Storage storage = shapeOf(value);
  storage.kind = Storage::Row;
  storage.base = takeLocal(storage.cols, storage.element);
  return storage;
}

/// As MapToGpu has decided.
Storage Emitter::allocate(Operation *op, unsigned result) {
  return homeOf(op, result) == Layout::thread ? allocateThread(op->getResult(result))
                                              : allocateBlock(op->getResult(result));
}

Storage &Emitter::of(Value value) {
  Storage &storage = storages[value];
  assert(storage.kind != Storage::None && "a tile is used before it is made");
  return storage;
}

/// The value as all threads can read it.
Storage Emitter::blockForm(Value value) {
  Storage from = of(value);
  if (from.kind != Storage::Thread)
    return from;
  Storage to = allocateBlock(value);
  copy(from, to);
  return to;
}

void Emitter::copy(const Storage &from, const Storage &to) {
  if (from.kind == to.kind && from.base == to.base && from.firstRow == to.firstRow)
    return;
  if (from.kind == Storage::Thread || to.kind == Storage::Thread) {
    if (to.kind == Storage::Block)
      sync();
    forOwnedRows(to.rows, [&] {
      loop(to.cols,
           [&](Value c) { setElement(to, context->row, c, element(from, context->row, c)); });
    });
    if (to.kind == Storage::Block)
      sync();
    return;
  }
  sync();
  forElements(to.rows, to.cols,
              [&](Value r, Value c) { setElement(to, r, c, element(from, r, c)); });
  sync();
}

//===--- Elements ----------------------------------------------------------------------------===//

Value Emitter::address(Value base, Value at, Type element) {
  Value wide = arith::IndexCastOp::create(b, b.getI64Type(), at);
  return LLVM::GEPOp::create(b, base.getType(), inMemory(element), base,
                             ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(wide)});
}

Value Emitter::loadScalar(Value base, Value at, Type element) {
  Type stored = inMemory(element);
  Value value = LLVM::LoadOp::create(b, stored, address(base, at, element), bytesOf(stored));
  if (element.isInteger(1))
    return arith::TruncIOp::create(b, element, value);
  return element.isIndex() ? arith::IndexCastOp::create(b, element, value).getResult() : value;
}

void Emitter::storeScalar(Value value, Value base, Value at) {
  Type element = value.getType(), stored = inMemory(element);
  Value to = address(base, at, element);
  if (element.isInteger(1))
    value = arith::ExtUIOp::create(b, stored, value);
  else if (element.isIndex())
    value = arith::IndexCastOp::create(b, stored, value);
  LLVM::StoreOp::create(b, value, to, bytesOf(stored));
}

/// An element of a tile, or of a vector (column 0). Of what a thread owns it is the one in its row.
Value Emitter::element(const Storage &tile, Value row, Value col) {
  if (tile.firstRow)
    row = plus(tile.firstRow, row);
  switch (tile.kind) {
  case Storage::Splat:
  case Storage::Scalar:
    return tile.base;
  case Storage::Iota:
    return arith::AddIOp::create(b, tile.base, arith::IndexCastOp::create(b, i32, row));
  case Storage::InPlace:
    return readInPlace(tile, row, col);
  case Storage::Block:
    return loadScalar(tile.base, plus(times(row, index(tile.cols)), col), tile.element);
  case Storage::Thread:
    return loadScalar(tile.base, plus(times(context->turn, index(tile.cols)), col), tile.element);
  case Storage::Row:
    return loadScalar(tile.base, col, tile.element);
  case Storage::None:
    break;
  }
  llvm_unreachable("a tile without a home");
}

void Emitter::setElement(const Storage &tile, Value row, Value col, Value value) {
  if (tile.firstRow)
    row = plus(tile.firstRow, row);
  Value first = row;
  if (tile.kind == Storage::Row)
    return storeScalar(value, tile.base, col);
  assert((tile.kind == Storage::Block || tile.kind == Storage::Thread) && "not written");
  if (tile.kind == Storage::Thread)
    first = context->turn;
  storeScalar(value, tile.base, plus(times(first, index(tile.cols)), col));
}

//===--- Loops -------------------------------------------------------------------------------===//

Value Emitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }

static bool isConstant(Value value, int64_t expected) {
  auto constant = value.getDefiningOp<arith::ConstantIndexOp>();
  return constant && constant.value() == expected;
}

Value Emitter::plus(Value a, Value c) {
  if (isConstant(a, 0))
    return c;
  return isConstant(c, 0) ? a : arith::AddIOp::create(b, a, c).getResult();
}

Value Emitter::times(Value a, Value c) {
  return isConstant(c, 1) ? a : arith::MulIOp::create(b, a, c).getResult();
}

Values Emitter::loop(Value lo, Value hi, Value step, ValueRange init,
                     function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, lo, hi, step, init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!next.empty())
    scf::YieldOp::create(b, next);
  return loop.getResults();
}

void Emitter::loop(int64_t count, function_ref<void(Value)> body) {
  if (count == 1)
    return body(index(0));
  loop(index(0), index(count), index(1), {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

void Emitter::when(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

void Emitter::forElements(int64_t rows, int64_t cols, function_ref<void(Value, Value)> body) {
  loop(thread, index(rows * cols), index(threads), {}, [&](Value e, ValueRange) {
    if (cols == 1)
      body(e, index(0));
    else
      body(arith::DivUIOp::create(b, e, index(cols)), arith::RemUIOp::create(b, e, index(cols)));
    return Values();
  });
}

void Emitter::forOwnedRows(int64_t rows, function_ref<void()> body) {
  assert(!context && "rows are owned once");
  loop((rows + threads - 1) / threads, [&](Value turn) {
    Value row = plus(times(turn, index(threads)), thread);
    auto owned = [&] {
      context = RowContext{row, turn};
      body();
      context.reset();
    };
    if (rows % threads == 0)
      return owned();
    when(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, index(rows)), owned);
  });
}

void Emitter::sync() {
  assert(!context && "threads are apart");
  barrier(b, b.getLoc());
}
