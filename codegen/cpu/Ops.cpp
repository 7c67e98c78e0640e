//===- Ops.cpp - one op after the other: scalars, control flow ---------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;
using namespace heddle::cpu;

LogicalResult Emitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  return success();
}

LogicalResult Emitter::emitOp(Operation *op) {
  if (done.contains(op))
    return success();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitFor(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return emitIf(branch);
  if (auto strips = dyn_cast<StripsOp>(op))
    return emitStrips(strips);
  if (auto load = dyn_cast<LoadOp>(op))
    return emitLoad(load);
  if (auto store = dyn_cast<StoreOp>(op))
    return emitStore(store);
  if (auto contract = dyn_cast<ContractOp>(op))
    return emitContract(contract);
  if (auto map = dyn_cast<MapOp>(op))
    return emitMap(map);
  if (auto scan = dyn_cast<ScanOp>(op))
    return emitScan(scan);
  if (auto span = dyn_cast<SpanOp>(op))
    return emitSpan(span);
  if (auto shear = dyn_cast<ShearOp>(op))
    return emitShear(shear);
  if (TileSequences::handles(op))
    return sequences.emit(op, [&](Block &body) { return emitBlock(body); });
  return emitSmall(op);
}

/// Scalars, and vectors and tiles that hold one of them.
LogicalResult Emitter::emitSmall(Operation *op) {
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> axis = dim.getConstantIndex();
    if (!axis)
      return op->emitError("expected the size of a known axis");
    scalars.map(dim.getResult(), memories.lookup(dim.getSource()).sizes[*axis]);
    return success();
  }
  if (auto iota = dyn_cast<IotaOp>(op)) {
    Value base = arith::IndexCastOp::create(b, i32, scalars.lookup(iota.getBase()));
    Storage &vector = storages[iota.getResult()];
    vector = {Storage::Iota, base, {}, iota.getType().getDimSize(0), 1, 0, 0, i32, true};
    vector.pitch = padded(vector.rows);
    return success();
  }
  bool makesTile = llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
  if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && makesTile) {
    auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (!dense)
      return op->emitError("expected a tile of one value");
    auto attr = dense.getSplatValue<TypedAttr>();
    return setSplat(constant, arith::ConstantOp::create(b, attr));
  }
  if (auto splat = dyn_cast<tensor::SplatOp>(op))
    return setSplat(splat, scalars.lookupOrDefault(splat.getInput()));
  if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
    Value at = scalars.lookup(extract.getIndices()[0]);
    if (auto constant = getConstantIntValue(extract.getIndices()[0]))
      at = index(*constant);
    scalars.map(extract.getResult(), elementOf(of(extract.getTensor()), at));
    return success();
  }
  if (isa<memref::LoadOp, memref::StoreOp, memref::AllocaOp>(op))
    return emitMemory(op);
  if (makesTile)
    return emitElementwise(op);
  if (isa<arith::ArithDialect, math::MathDialect, affine::AffineDialect>(op->getDialect()))
    return b.clone(*op, scalars), success();
  return op->emitError("'") << op->getName() << "' cannot be compiled for a CPU";
}

LogicalResult Emitter::setSplat(Operation *op, Value element) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Storage &storage = storages[op->getResult(0)];
  storage = {Storage::Splat, element, {}, type.getDimSize(0), 1, 0, 0, element.getType(), true};
  storage.pitch = padded(storage.rows);
  if (type.getRank() == 2) {
    storage.isVector = false;
    storage.cols = type.getDimSize(1);
  }
  return success();
}

/// What is carried has one home for the whole loop.
LogicalResult Emitter::emitFor(scf::ForOp op) {
  if (dueIn)
    payDue(*dueIn);
  Values inits;
  SmallVector<Storage> homes(op.getInitArgs().size());
  for (auto [i, init] : llvm::enumerate(op.getInitArgsMutable())) {
    if (!isa<RankedTensorType>(init.get().getType())) {
      inits.push_back(scalars.lookup(init.get()));
      continue;
    }
    homes[i] = take(init, op.getResult(i));
    copy(of(init.get()), homes[i]);
    // Not in one go: the second entry may move the first.
    storages[op.getRegionIterArg(i)] = homes[i];
    storages[op.getResult(i)] = homes[i];
  }
  auto loop =
      scf::ForOp::create(b, scalars.lookup(op.getLowerBound()), scalars.lookup(op.getUpperBound()),
                         scalars.lookup(op.getStep()), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  unsigned scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getRegionIterArg(i), loop.getRegionIterArg(scalar++));
  fetchPart(op, loop.getInductionVar());
  fetchTurn(op);
  if (failed(emitBlock(*op.getBody())))
    return failure();
  payDue(*op.getBody());
  Values next;
  for (auto [i, value] : llvm::enumerate(op.getYieldedValues())) {
    if (homes[i].kind == Storage::None)
      next.push_back(scalars.lookup(value));
    else
      copy(of(value), homes[i]);
  }
  if (!next.empty())
    scf::YieldOp::create(b, next);
  scalar = 0;
  for (auto [i, home] : llvm::enumerate(homes))
    if (home.kind == Storage::None)
      scalars.map(op.getResult(i), loop.getResult(scalar++));
  return success();
}

/// Strips one after the other. What is carried is cut out of its home and put back into it.
LogicalResult Emitter::emitStrips(StripsOp op) {
  Block &body = op.getBody().front();
  unsigned numSliced = op.getSliced().size();
  SmallVector<Storage> homes;
  for (auto [carried, result] : llvm::zip_equal(op.getCarriedMutable(), op.getResults())) {
    homes.push_back(take(carried, result));
    copy(of(carried.get()), homes.back());
    storages[result] = homes.back();
  }
  int64_t count = cast<RankedTensorType>(op->getOperand(0).getType()).getDimSize(0) / op.getWidth();
  bool good = true;
  loop(index(0), index(count), 1, {}, [&](Value number, ValueRange) {
    SmallVector<Storage> parts; // what stays in its part is not copied
    for (auto [i, argument] : llvm::enumerate(body.getArguments()))
      parts.push_back(strip(i < numSliced ? of(op->getOperand(i)) : homes[i - numSliced], number));
    for (auto [argument, part] : llvm::zip_equal(body.getArguments(), parts))
      storages[argument] = part;
    good = succeeded(emitBlock(body));
    payDue(body);
    if (good)
      for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands()))
        copy(of(value), parts[numSliced + i]);
    return Values();
  });
  return success(good);
}

/// A tile that a branch gives lies where the side taken has it, or in a home around the branch; it is
/// never written after that.
LogicalResult Emitter::emitIf(scf::IfOp op) {
  auto isTile = [](Value result) { return isa<RankedTensorType>(result.getType()); };
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> types;
  for (Value result : op.getResults())
    types.push_back(isTile(result) ? pointer : result.getType());
  auto branch =
      scf::IfOp::create(b, types, scalars.lookup(op.getCondition()), !op.getElseRegion().empty());
  SmallVector<Storage> homes(types.size());
  for (auto [from, to] : {std::pair(&op.getThenRegion(), &branch.getThenRegion()),
                          std::pair(&op.getElseRegion(), &branch.getElseRegion())}) {
    if (from->empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&to->front());
    if (failed(emitBlock(from->front())))
      return failure();
    Values yielded;
    for (auto [value, result, home] :
         llvm::zip_equal(from->front().getTerminator()->getOperands(), op.getResults(), homes)) {
      if (!isTile(result))
        yielded.push_back(scalars.lookup(value));
      else
        yielded.push_back(lend(of(value), result, home));
    }
    if (!yielded.empty())
      scf::YieldOp::create(b, yielded);
  }
  for (auto [result, home, given] : llvm::zip_equal(op.getResults(), homes, branch.getResults())) {
    if (!isTile(result)) {
      scalars.map(result, given);
      continue;
    }
    home.base = given;
    home.borrowed = true;
    storages[result] = home;
  }
  return success();
}

/// Where a tile lies if it can stay there, else its copy in the home of `result`, which is made then.
Value Emitter::lend(Storage &tile, Value result, Storage &home) {
  if (home.kind == Storage::None)
    home = allocate(result);
  bool alike = tile.kind == Storage::Buffer && tile.width == home.width &&
               tile.pitch == home.pitch && tile.element == home.element;
  if (!alike) {
    copy(tile, home);
    return home.base;
  }
  tile.borrowed = true;
  return tile.base;
}

/// One element of memory, or memory of the item's own.
LogicalResult Emitter::emitMemory(Operation *op) {
  if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    MemRefType type = alloca.getType();
    if (!type.hasStaticShape() || type.getRank() != 1)
      return op->emitError("expected local memory of one axis and a known size");
    Value one = index(1), size = index(type.getDimSize(0));
    OpBuilder::InsertionGuard guard(b);
    auto function = b.getInsertionBlock()->getParentOp()->getParentOfType<func::FuncOp>();
    if (!function)
      function = cast<func::FuncOp>(b.getInsertionBlock()->getParentOp());
    b.setInsertionPointToStart(&function.front());
    Value count = LLVM::ConstantOp::create(b, b.getI64IntegerAttr(type.getDimSize(0)));
    Value base = LLVM::AllocaOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                        type.getElementType(), count, /*alignment=*/64);
    memories[alloca.getResult()] = {base, {one}, {size}, type};
    return success();
  }
  auto load = dyn_cast<memref::LoadOp>(op);
  const Memory &memory = memories[load ? load.getMemRef() : cast<memref::StoreOp>(op).getMemRef()];
  Value at = index(0);
  ValueRange indices = load ? load.getIndices() : cast<memref::StoreOp>(op).getIndices();
  for (auto [i, stride] : llvm::zip_equal(indices, memory.strides))
    at = plus(at, arith::MulIOp::create(b, scalars.lookup(i), stride));
  if (load) {
    scalars.map(load.getResult(), loadScalar(memory.base, at, load.getType()));
    return success();
  }
  Value value = scalars.lookup(cast<memref::StoreOp>(op).getValue());
  unsigned bytes = value.getType().getIntOrFloatBitWidth() / 8;
  LLVM::StoreOp::create(b, value, address(memory.base, at, value.getType()), bytes);
  return success();
}
