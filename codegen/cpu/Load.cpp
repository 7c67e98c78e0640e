//===- Load.cpp - memory to tiles and back -----------------------------------------------------===//
//
// Nothing outside a tensor is ever read: rows beyond the limit are zeroed or left. Whole rows of f32 that
// follow each other are read where they are; all else is copied, widened and scaled once per tile.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace heddle::attn;
using namespace heddle::cpu;

/// Elements of memory as f32 or i32, scalars or vectors.
Value Emitter::widen(Value value, Type to) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == to)
    return value;
  Type type = to;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = VectorType::get(vector.getShape(), to);
  if (isa<FloatType>(from))
    return arith::ExtFOp::create(b, type, value);
  return arith::ExtSIOp::create(b, type, value);
}

/// f32 or i32 to elements of memory, to nearest even. To bf16 by integers: truncf calls a function.
Value Emitter::narrow(Value value, Type to) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == to)
    return value;
  auto like = [&](Type element) -> Type {
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      return VectorType::get(vector.getShape(), element);
    return element;
  };
  if (!isa<FloatType>(from))
    return arith::TruncIOp::create(b, like(to), value);
  if (!to.isBF16())
    return arith::TruncFOp::create(b, like(to), value);
  auto constant = [&](int32_t x) -> Value {
    TypedAttr attr = b.getI32IntegerAttr(x);
    if (auto type = dyn_cast<VectorType>(like(i32)))
      attr = DenseElementsAttr::get(type, x);
    return arith::ConstantOp::create(b, attr);
  };
  Value bits = arith::BitcastOp::create(b, like(i32), value);
  Value upper = arith::ShRUIOp::create(b, bits, constant(16));
  Value odd = arith::AndIOp::create(b, upper, constant(1));
  Value up = arith::AddIOp::create(b, odd, constant(0x7fff));
  Value rounded = arith::ShRUIOp::create(b, arith::AddIOp::create(b, bits, up), constant(16));
  Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  rounded = arith::SelectOp::create(b, nan, arith::OrIOp::create(b, upper, constant(64)), rounded);
  Value half = arith::TruncIOp::create(b, like(b.getI16Type()), rounded);
  return arith::BitcastOp::create(b, like(to), half);
}

/// `row0` in the place of the op's own first row, if given.
template <typename OpT> Access Emitter::accessOf(OpT op, Value row0) {
  const Memory &memory = memories[op.getMemory()];
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  SmallVector<OpFoldResult> mixed =
      getMixedValues(op.getStaticIndices(), op.getIndices(), b.getContext());
  unsigned rowAxis = mixed.size() - tile.getRank();
  Access access;
  Value offset = index(0);
  for (auto [axis, i] : llvm::enumerate(mixed)) {
    if (axis == rowAxis && row0) {
      access.row0 = row0;
      continue;
    }
    Value at = isa<Value>(i) ? scalars.lookup(cast<Value>(i)) : index(*getConstantIntValue(i));
    if (axis == rowAxis)
      access.row0 = at;
    else
      offset = plus(offset, arith::MulIOp::create(b, at, memory.strides[axis]));
  }
  access.element = memory.type.getElementType();
  access.base = address(memory.base, offset, access.element);
  access.rowStride = memory.strides[rowAxis];
  access.limit = scalars.lookup(op.getLimit());
  for (auto [i, list] : llvm::enumerate(op.getList()))
    access.lists.push_back({list, memory.strides[rowAxis + 1 + i - op.getList().size()]});
  if (op.getScale())
    access.scale =
        arith::ConstantOp::create(b, b.getF32FloatAttr(float(op.getScale()->convertToDouble())));
  access.inside = tile.getRank() == 2 ? tile.getDimSize(1) : 1;
  if (tile.getRank() == 2 && !memory.type.isDynamicDim(rowAxis + 1)) {
    int64_t first = getConstantIntValue(mixed.back()).value_or(0);
    access.inside = std::min(access.inside, memory.type.getDimSize(rowAxis + 1) - first);
  }
  return access;
}

/// The pointer to row r of the tile, and whether the tensor has it.
std::pair<Value, Value> Emitter::rowOf(const Access &access, Value r) {
  Value row = access.row0, offset;
  if (access.lists.empty()) {
    row = plus(row, r);
    offset = arith::MulIOp::create(b, row, access.rowStride);
  } else {
    for (auto [i, entry] : llvm::enumerate(access.lists)) {
      Value step = arith::IndexCastOp::create(b, b.getIndexType(), elementOf(of(entry.first), r));
      if (i + 1 == access.lists.size()) {
        row = plus(row, step);
        step = row;
      }
      step = arith::MulIOp::create(b, step, entry.second);
      offset = offset ? plus(offset, step) : step;
    }
  }
  Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, access.limit);
  Value from = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, row, index(0));
  return {address(access.base, offset, access.element), arith::AndIOp::create(b, below, from)};
}

static void ifElse(ImplicitLocOpBuilder &b, Value condition, function_ref<void()> yes,
                   function_ref<void()> no) {
  auto branch = scf::IfOp::create(b, condition, /*withElseRegion=*/bool(no));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  yes();
  if (!no)
    return;
  b.setInsertionPointToStart(branch.elseBlock());
  no();
}

Value Emitter::scaled(Value value, Value scale) {
  if (!scale)
    return value;
  if (isa<VectorType>(value.getType()))
    scale = vector::BroadcastOp::create(b, value.getType(), scale);
  return arith::MulFOp::create(b, value, scale);
}

/// Row by row into a row-major tile.
void Emitter::loadRows(const Access &access, const Storage &tile) {
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(vectorOf(tile.element)));
  loop(index(0), index(tile.rows), 1, {}, [&](Value r, ValueRange) {
    auto [row, exists] = rowOf(access, r);
    Value to = arith::MulIOp::create(b, r, index(tile.pitch));
    int64_t whole = access.inside / lanes * lanes;
    for (int64_t c = whole; c < tile.pitch; c += lanes)
      storeVector(zero, tile.base, plus(to, c));
    ifElse(
        b, exists,
        [&, row = row] {
          for (int64_t c = 0; c < whole; c += lanes) {
            Value x = widen(loadVector(row, index(c), access.element), tile.element);
            storeVector(scaled(x, access.scale), tile.base, plus(to, c));
          }
          for (int64_t c = whole; c < access.inside; ++c) {
            Value x = widen(loadScalar(row, index(c), access.element), tile.element);
            LLVM::StoreOp::create(b, scaled(x, access.scale),
                                  address(tile.base, plus(to, c), tile.element), 4);
          }
        },
        [&] {
          for (int64_t c = 0; c < whole; c += lanes)
            storeVector(zero, tile.base, plus(to, c));
        });
    return Values();
  });
}

/// Calls `body` for each block of rows of a strip-major tile: 8 that all exist, or 1 that may.
void Emitter::rowBlocks(const Access &access, const Storage &tile,
                        function_ref<void(Value r, bool eight)> body) {
  int64_t block = tile.width % 8 == 0 && access.lists.empty() ? 8 : 1;
  auto single = [&](Value first, int64_t count) {
    loop(first, plus(first, count), 1, {}, [&](Value r, ValueRange) {
      body(r, false);
      return Values();
    });
  };
  if (block == 1)
    return single(index(0), tile.rows);
  loop(index(0), index(tile.rows), block, {}, [&](Value r, ValueRange) {
    Value end = plus(plus(access.row0, r), block);
    Value whole = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, access.limit);
    ifElse(b, whole, [&] { body(r, true); }, [&] { single(r, block); });
    return Values();
  });
}

/// Transposed, strip by strip.
void Emitter::loadStrips(const Access &access, const Storage &tile) {
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(tile.element));
  int64_t whole = access.inside / 8 * 8;
  auto one = [&](Value row, Value r, Value c, Value exists) {
    auto branch = scf::IfOp::create(b, tile.element, exists, true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      Value x = widen(loadScalar(row, c, access.element), tile.element);
      scf::YieldOp::create(b, scaled(x, access.scale));
      b.setInsertionPointToStart(branch.elseBlock());
      scf::YieldOp::create(b, zero);
    }
    LLVM::StoreOp::create(b, branch.getResult(0),
                          address(tile.base, elementAddress(tile, r, c), tile.element), 4);
  };
  if (access.inside < tile.cols)
    fill(tile, zero);
  rowBlocks(access, tile, [&](Value r, bool eight) {
    auto [row, exists] = rowOf(access, r);
    Value first = row, has = exists;
    if (eight && whole)
      loop(index(0), index(whole), 8, {}, [&](Value c, ValueRange) {
        Value to = address(tile.base, elementAddress(tile, r, c), tile.element);
        transposeIn(address(first, c, access.element), access.rowStride, access.element, to,
                    index(tile.pitch), access.scale);
        return Values();
      });
    for (int64_t i = 0, n = eight ? 8 : 1; i < n; ++i) {
      Value at = plus(r, i);
      if (i)
        std::tie(first, has) = rowOf(access, at);
      loop(index(eight ? whole : 0), index(access.inside), 1, {}, [&](Value c, ValueRange) {
        one(first, at, c, has);
        return Values();
      });
    }
  });
}

LogicalResult Emitter::emitLoad(LoadOp op) {
  Access access = accessOf(op);
  if (op.getTile().getType().getRank() == 1) {
    Storage vector = storages[op.getTile()] = allocate(op.getTile());
    fill(vector, arith::ConstantOp::create(b, b.getZeroAttr(vector.element)));
    loop(index(0), index(vector.rows), 1, {}, [&](Value r, ValueRange) {
      auto [row, exists] = rowOf(access, r);
      ifElse(
          b, exists,
          [&, row = row] {
            Value x = widen(loadScalar(row, index(0), access.element), vector.element);
            LLVM::StoreOp::create(b, scaled(x, access.scale),
                                  address(vector.base, r, vector.element), 4);
          },
          nullptr);
      return Values();
    });
    return success();
  }
  Storage tile = allocate(op.getTile());
  if (tile.width || !revisits)
    lookAhead(op, access, tile.rows);
  if (tile.width) {
    loadStrips(access, tile);
  } else if (access.element.isF32() && !access.scale && access.lists.empty() &&
             access.inside == tile.pitch && !written.contains(op.getMemory())) {
    // In place where all rows exist and follow each other, and nothing here writes them.
    Value end = plus(access.row0, tile.rows);
    Value exist = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, access.limit);
    Value dense =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, access.rowStride, index(tile.pitch));
    auto branch =
        scf::IfOp::create(b, tile.base.getType(), arith::AndIOp::create(b, exist, dense), true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(b, rowOf(access, index(0)).first);
    b.setInsertionPointToStart(branch.elseBlock());
    loadRows(access, tile);
    scf::YieldOp::create(b, tile.base);
    tile.base = branch.getResult(0);
    tile.borrowed = true;
  } else {
    loadRows(access, tile);
  }
  storages[op.getTile()] = tile;
  return success();
}

template Access Emitter::accessOf(LoadOp op, Value row0);
template Access Emitter::accessOf(StoreOp op, Value row0);

void Emitter::storeElement(Value value, Value row, Value c, const Access &access) {
  LLVM::StoreOp::create(b, narrow(scaled(value, access.scale), access.element),
                        address(row, c, access.element),
                        access.element.getIntOrFloatBitWidth() / 8);
}

LogicalResult Emitter::emitStore(StoreOp op) {
  Access access = accessOf(op);
  Storage tile = of(op.getTile());
  if (tile.isVector) {
    Storage vector = tile;
    if (vector.kind == Storage::Registers) {
      vector = allocateVector(tile.rows, tile.element);
      copy(tile, vector);
    }
    loop(index(0), index(vector.rows), 1, {}, [&](Value r, ValueRange) {
      auto [row, exists] = rowOf(access, r);
      ifElse(
          b, exists, [&, row = row] { storeElement(elementOf(vector, r), row, index(0), access); },
          nullptr);
      return Values();
    });
    return success();
  }
  if (tile.kind == Storage::Splat) {
    Storage whole = allocateTile(tile.rows, tile.cols, 0, tile.element);
    fill(whole, tile.base);
    tile = whole;
  }
  // Else it was foreseen before; by loops over tiles only in strips.
  if (!foreseen.contains(op) && (tile.width ? ahead.empty() : !revisits))
    lookAhead(access, tile.rows, /*write=*/true);
  tile.width ? storeStrips(access, tile) : storeRows(access, tile);
  return success();
}

void Emitter::storeRows(const Access &access, const Storage &tile) {
  loop(index(0), index(tile.rows), 1, {}, [&](Value r, ValueRange) {
    auto [row, exists] = rowOf(access, r);
    Value from = arith::MulIOp::create(b, r, index(tile.pitch));
    ifElse(
        b, exists,
        [&, row = row] {
          int64_t whole = access.inside / lanes * lanes;
          for (int64_t c = 0; c < whole; c += lanes) {
            Value x = scaled(loadVector(tile.base, plus(from, c), tile.element), access.scale);
            storeVector(narrow(x, access.element), row, index(c));
          }
          for (int64_t c = whole; c < access.inside; ++c)
            storeElement(loadScalar(tile.base, plus(from, c), tile.element), row, index(c), access);
        },
        nullptr);
    return Values();
  });
}

void Emitter::storeStrips(const Access &access, const Storage &tile) {
  int64_t whole = access.inside / 8 * 8;
  rowBlocks(access, tile, [&](Value r, bool eight) {
    auto [row, exists] = rowOf(access, r);
    Value first = row, has = exists;
    if (eight && whole)
      loop(index(0), index(whole), 8, {}, [&](Value c, ValueRange) {
        Value from = address(tile.base, elementAddress(tile, r, c), tile.element);
        transposeOut(from, index(tile.pitch), address(first, c, access.element), access.rowStride,
                     access.element, access.scale);
        return Values();
      });
    for (int64_t i = 0, n = eight ? 8 : 1; i < n; ++i) {
      Value at = plus(r, i);
      if (i)
        std::tie(first, has) = rowOf(access, at);
      ifElse(
          b, has,
          [&] {
            loop(index(eight ? whole : 0), index(access.inside), 1, {}, [&](Value c, ValueRange) {
              storeElement(loadScalar(tile.base, elementAddress(tile, at, c), tile.element), first,
                           c, access);
              return Values();
            });
          },
          nullptr);
    }
  });
}
