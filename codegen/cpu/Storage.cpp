//===- Storage.cpp - scratch, addresses, registers ---------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::cpu;

//===--- Builders ----------------------------------------------------------------------------===//

Value Emitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value Emitter::plus(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
Value Emitter::plus(Value x, int64_t c) { return c ? plus(x, index(c)) : x; }
Value Emitter::times(Value x, int64_t c) {
  return c == 1 ? x : arith::MulIOp::create(b, x, index(c)).getResult();
}
Value Emitter::splat(double value) {
  return arith::ConstantOp::create(b, DenseElementsAttr::get(vectorOf(f32), float(value)));
}

Values Emitter::loop(Value lo, Value hi, int64_t step, ValueRange init,
                     function_ref<Values(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, lo, hi, index(step), init);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  Values next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(b, next);
  return Values(op.getResults());
}

//===--- Addresses ---------------------------------------------------------------------------===//

Value Emitter::address(Value base, Value at, Type element) {
  Value wide = arith::IndexCastOp::create(b, b.getI64Type(), at);
  return LLVM::GEPOp::create(b, base.getType(), element, base, ArrayRef<LLVM::GEPArg>{wide});
}
/// A bf16 as its bits: kept from one block to another as a bf16, LLVM widens it and calls a function to
/// narrow it again.
Value Emitter::loadScalar(Value base, Value at, Type element) {
  unsigned bytes = element.getIntOrFloatBitWidth() / 8;
  if (element.isBF16()) {
    Value word = LLVM::LoadOp::create(b, b.getI16Type(), address(base, at, element), bytes);
    return arith::BitcastOp::create(b, element, word);
  }
  return LLVM::LoadOp::create(b, element, address(base, at, element), bytes);
}
Value Emitter::loadVector(Value base, Value at, Type element) {
  unsigned bytes = element.getIntOrFloatBitWidth() / 8; // alignment of an element is enough
  return LLVM::LoadOp::create(b, vectorOf(element), address(base, at, element), bytes);
}
void Emitter::storeVector(Value vector, Value base, Value at) {
  Type element = cast<VectorType>(vector.getType()).getElementType();
  LLVM::StoreOp::create(b, vector, address(base, at, element), element.getIntOrFloatBitWidth() / 8);
}

/// Of row r and column c, the place in a tile.
Value Emitter::elementAddress(const Storage &tile, Value row, Value col) {
  if (!tile.width)
    return plus(arith::MulIOp::create(b, row, index(tile.pitch)), col);
  if (tile.rows == tile.width)
    return plus(arith::MulIOp::create(b, col, index(tile.pitch)), row);
  Value width = index(tile.width);
  Value number = arith::DivUIOp::create(b, row, width), in = arith::RemUIOp::create(b, row, width);
  Value column = plus(times(number, tile.cols), col);
  return plus(arith::MulIOp::create(b, column, index(tile.pitch)), in);
}

//===--- Scratch -----------------------------------------------------------------------------===//

static int64_t bytesOf(const Storage &tile) {
  int64_t count = tile.isVector ? tile.pitch
                  : tile.width  ? tile.rows / tile.width * tile.cols * tile.pitch
                                : tile.rows * tile.pitch;
  return count * 4;
}

/// Scratch never moves: offsets are compile-time, aligned to a cache line.
static Value claim(ImplicitLocOpBuilder &b, Value base, int64_t &used, int64_t bytes) {
  Type byte = b.getI8Type();
  Value at = LLVM::GEPOp::create(b, base.getType(), byte, base,
                                 ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(used)});
  used += (bytes + 63) / 64 * 64;
  return at;
}

/// At the start of the function: where it stands, and that it is used twice, does not matter then.
static void atEntry(ImplicitLocOpBuilder &b, Value base, function_ref<void()> build) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(base);
  build();
}

Storage Emitter::allocateTile(int64_t rows, int64_t cols, int64_t width, Type element) {
  Storage tile;
  tile.kind = Storage::Buffer;
  tile.rows = rows;
  tile.cols = cols;
  tile.width = width;
  tile.pitch = padded(width ? width : cols);
  tile.element = element;
  // Narrow integers are kept as i32: one size of element in scratch.
  atEntry(b, scratchBase, [&] { tile.base = claim(b, scratchBase, scratch, bytesOf(tile)); });
  return tile;
}

Storage Emitter::allocateVector(int64_t size, Type element) {
  Storage vector;
  vector.kind = Storage::Buffer;
  vector.rows = size;
  vector.pitch = padded(size);
  vector.element = element;
  vector.isVector = true;
  atEntry(b, scratchBase, [&] { vector.base = claim(b, scratchBase, scratch, bytesOf(vector)); });
  return vector;
}

/// The home that MapToCpu gave to a result, or a carried value to the result of its loop.
static int64_t widthOf(Value value) {
  Operation *op = value.getDefiningOp();
  unsigned number = 0;
  if (auto result = dyn_cast<OpResult>(value))
    number = result.getResultNumber();
  auto homes =
      op ? op->getAttrOfType<ArrayAttr>(heddle::attn::AttnDialect::HomesAttrHelper::getNameStr())
         : ArrayAttr();
  return homes ? cast<heddle::attn::HomeAttr>(homes[number]).getWidth() : 0;
}

Storage Emitter::allocate(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Type element = isa<FloatType>(type.getElementType()) ? f32 : i32;
  if (type.getRank() == 1)
    return allocateVector(type.getDimSize(0), element);
  return allocateTile(type.getDimSize(0), type.getDimSize(1), widthOf(value), element);
}

Storage &Emitter::of(Value value) {
  Storage &storage = storages[value];
  assert(storage.kind != Storage::None && "a tile is made before it is used");
  return storage;
}

/// Whether what is computed from an operand may take its place: nothing reads it afterwards, also not in
/// the next turn of a loop.
bool Emitter::canTake(OpOperand &operand) {
  Operation *op = operand.getOwner();
  Value value = operand.get();
  if (value.getParentBlock() != op->getBlock())
    return false;
  Operation *def = value.getDefiningOp();
  if (def && isa<arith::ConstantOp>(def))
    return false;
  if (Storage &storage = storages[value]; storage.kind != Storage::Buffer || storage.borrowed)
    return false;
  return llvm::all_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = op->getBlock()->findAncestorOpInBlock(*use.getOwner());
    return &use == &operand || user->isBeforeInBlock(op);
  });
}

Storage Emitter::take(OpOperand &operand, Value result) {
  if (canTake(operand))
    return of(operand.get());
  return allocate(result);
}

//===--- Copies ------------------------------------------------------------------------------===//

void Emitter::copy(const Storage &from, const Storage &to) {
  if (from.kind == Storage::Buffer && from.base == to.base)
    return;
  if (to.isVector) {
    for (int64_t v = 0; v < to.pitch; v += lanes)
      storeVector(registerOf(from, index(v)), to.base, index(v));
    return;
  }
  if (from.kind == Storage::Splat)
    return fill(to, from.base);
  loop(index(0), index(bytesOf(to) / 4), lanes, {}, [&](Value i, ValueRange) {
    storeVector(loadVector(from.base, i, to.element), to.base, i);
    return Values();
  });
}

void Emitter::fill(const Storage &to, Value element) {
  Value vector = vector::BroadcastOp::create(b, vectorOf(to.element), element);
  loop(index(0), index(bytesOf(to) / 4), lanes, {}, [&](Value i, ValueRange) {
    storeVector(vector, to.base, i);
    return Values();
  });
}

/// The strip of that number of a tile or vector.
Storage Emitter::strip(const Storage &whole, Value number) {
  Storage part = whole;
  int64_t width = schedule.getStrip();
  part.rows = width;
  Value first = times(number, whole.isVector ? width : whole.cols * whole.pitch);
  if (whole.kind == Storage::Iota) {
    Value offset = arith::IndexCastOp::create(b, i32, first);
    part.base = arith::AddIOp::create(b, whole.base, offset);
  } else if (whole.kind == Storage::Buffer) {
    part.base = address(whole.base, first, whole.element);
    part.pitch = whole.isVector ? padded(width) : whole.pitch;
  }
  return part;
}

//===--- Registers ---------------------------------------------------------------------------===//

/// The lanes of a vector from element `first`, a multiple of the lanes, on.
Value Emitter::registerOf(const Storage &vector, Value first) {
  switch (vector.kind) {
  case Storage::Buffer:
    return loadVector(vector.base, first, vector.element);
  case Storage::Splat:
    return vector::BroadcastOp::create(b, vectorOf(vector.element), vector.base);
  case Storage::Iota: {
    SmallVector<int32_t> steps;
    for (int64_t i = 0; i < lanes; ++i)
      steps.push_back(i);
    Value step =
        arith::ConstantOp::create(b, DenseElementsAttr::get(vectorOf(i32), ArrayRef(steps)));
    Value offset = arith::IndexCastOp::create(b, i32, first);
    Value base = arith::AddIOp::create(b, vector.base, offset);
    Value start = vector::BroadcastOp::create(b, vectorOf(i32), base);
    return arith::AddIOp::create(b, start, step);
  }
  case Storage::Registers: {
    auto constant = first.getDefiningOp<arith::ConstantIndexOp>();
    assert(constant && "registers are chosen at compile time");
    return vector.registers[constant.value() / lanes];
  }
  case Storage::None:
    break;
  }
  llvm_unreachable("a vector is made before it is used");
}

Value Emitter::elementOf(const Storage &vector, Value at) {
  switch (vector.kind) {
  case Storage::Buffer:
    return loadScalar(vector.base, at, vector.element);
  case Storage::Splat:
    return vector.base;
  case Storage::Iota: {
    Value offset = arith::IndexCastOp::create(b, i32, at);
    return arith::AddIOp::create(b, vector.base, offset);
  }
  case Storage::Registers: {
    auto constant = at.getDefiningOp<arith::ConstantIndexOp>();
    assert(constant && "registers are chosen at compile time");
    return vector::ExtractOp::create(b, vector.registers[constant.value() / lanes],
                                     constant.value() % lanes);
  }
  case Storage::None:
    break;
  }
  llvm_unreachable("a vector is made before it is used");
}
